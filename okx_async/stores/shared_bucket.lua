-- The rule of `lease`, `line` and `epoch`, carried out in one step by a Redis or Valkey server.
--
-- KEYS[1] is the epoch of a hash tag, KEYS[2] the bucket of a key under it. ARGV[1] is the nonce with which the reply
-- begins, ARGV[2] the message. Times are whole microseconds of the server's clock: exact in Lua's numbers, and rounded
-- so that a token comes back later rather than earlier. A test compares every reply with that of the Python rule.

local PPM, DRIFT, GUARDED, MARGIN, VERSION = 0.0005, 1 / 0.9995 - 1, 2000000, 1000000, 1
local LATE, PANIC_LOOKS, STAGGER = 250000, 100000, 300
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

local nonce, m = ARGV[1], cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- The epoch -----------------------------------------------------------------------------------------------------------

local function whole(...) -- tostring would cut the digits
  return string.format('%s %.0f %.0f %.0f %.0f %.0f %.0f', ...)
end

local stored, fields = redis.call('GET', KEYS[1]), nil
if stored then
  fields = {string.match(stored, '^(%S+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%d+)$')}
  if not fields[1] then return {nonce, 'unreadable', now} end
  for i = 2, 7 do fields[i] = tonumber(fields[i]) end
end
local run, since, lease, grace, guard, unknown = m.run, now, m.lease, m.grace, m.guard, -1
if m.what == 'look' then
  if not stored then return {nonce, 'nothing', now} end
  run, since, lease, grace, guard, unknown = unpack(fields)
elseif stored and fields[1] == m.run and not m.stepped then
  if fields[7] > VERSION then return {nonce, 'newer', now, fields[7]} end
  -- This message was late, or the clock was stepped: which one its sender can tell. Nothing is done.
  if m.expected >= 0 and now > m.expected then return {nonce, 'late', now} end
  since, unknown = fields[2], fields[6]
  if m.what == 'vouch' or fields[3] == 0 then -- no terms stand there: --vouch on the command line knows none
    unknown = m.what == 'vouch' and -1 or unknown
    redis.call('SET', KEYS[1], whole(run, since, lease, grace, guard, unknown, VERSION))
  elseif fields[3] ~= lease or fields[4] ~= grace or fields[5] ~= guard then
    return {nonce, 'terms', now, fields[3], fields[4], fields[5]}
  end
else
  -- Holders of before may write until their leases end; what stands of theirs stays.
  unknown = m.what == 'vouch' and -1 or now + ceil(lease * (1 + PPM))
  redis.call('SET', KEYS[1], whole(run, since, lease, grace, guard, unknown, VERSION))
end
if not KEYS[2] then return {nonce, 'ok', now, since, unknown, lease, grace, guard} end

-- The bucket ----------------------------------------------------------------------------------------------------------

local ID, HOLDER, AT, FREE, COOLING = 1, 2, 3, 4, 5 -- of a token
local PANIC, SINCE, UNTIL = 3, 4, 5 -- of a place in line, which begins like a token

local record, b = redis.call('GET', KEYS[2]), nil
if record then
  local readable, found = pcall(cmsgpack.unpack, record)
  if not readable or type(found) ~= 'table' or #found ~= 11 then return {nonce, 'unreadable', now} end
  if found[1] > now then b = found end
end
if m.what == 'look' and not b then return {nonce, 'nothing', now} end
b = b or {0, m.limit, m.per, m.reserve, 0, -1, 0, 0, 0, {}, {}}
local limit, per, reserve, blocked, refused, given_up, refusals, granted = unpack(b, 2, 9)
local tokens, line = b[10], b[11]

local function cool_of(seconds) return ceil(seconds + guard + DRIFT * max(0, seconds - GUARDED)) end
local function ago(age) return ceil(now - age * (1 - PPM)) end

local agreed = 0
if m.what ~= 'look' and (limit ~= m.limit or per ~= m.per or reserve ~= m.reserve) then
  local before = cool_of(per)
  agreed = 1
  limit, per = min(limit, m.limit), max(per, m.per)
  reserve = min(max(reserve, m.reserve), limit - 1)
  for _, token in ipairs(tokens) do token[FREE] = token[FREE] + cool_of(per) - before end
  given_up = min(given_up, limit - 1)
end
local cool = cool_of(per)
local doubt = cool + ceil(grace * (1 + PPM))

local function place_of(id)
  for i, token in ipairs(tokens) do if token[ID] == id then return i end end
end

local function clean(at)
  local passed = at - max(refused, blocked)
  if refused < 0 or passed < 0 then return 0 end
  return floor(min(passed / per, limit))
end

local function unused(at) return max(0, given_up - clean(at)) end

local function block(seconds, age) blocked = max(blocked, ago(age) + seconds) end

local function refuse(seconds, age)
  local at = ago(age)
  if refused < 0 or at >= refused + per then
    local left = unused(at)
    if refused >= 0 and clean(at) == 0 then
      local usable = limit - left
      left = left + usable - max(1, floor(usable / 2))
    end
    given_up, refused = left, at
  end
  refusals = refusals + 1
  block(seconds, age)
end

local function settle(id, age, in_doubt)
  local ended = ago(age)
  local free_at, i = ended + (in_doubt and doubt or cool), place_of(id)
  if not i then
    if free_at > now then tokens[#tokens + 1] = {id, m.holder, min(now, ended), free_at, 1} end
  elseif tokens[i][COOLING] == 1 then
    tokens[i][FREE] = min(tokens[i][FREE], free_at)
  else
    tokens[i][FREE], tokens[i][COOLING] = free_at, 1
  end
end

for _, held in ipairs(m.adopt or {}) do -- id, age, seconds that are left, whether it cools
  if not place_of(held[1]) then
    tokens[#tokens + 1] = {held[1], m.holder, ago(held[2]), now + ceil(held[3] * (1 + PPM)), held[4]}
  end
end
for _, note in ipairs(m.notes or {}) do -- kind, token, age, seconds
  local kind, id, age, seconds = unpack(note)
  if kind == 'refund' then
    local i = place_of(id)
    if i and tokens[i][COOLING] == 0 then table.remove(tokens, i) end
  elseif kind == 'block' then block(seconds, age)
  elseif kind == 'refuse' then refuse(seconds, age)
  else settle(id, age, kind == 'doubt') end
end
for i = #tokens, 1, -1 do if tokens[i][FREE] <= now then table.remove(tokens, i) end end

-- The line ------------------------------------------------------------------------------------------------------------

local opens = unknown < 0 and -1 or unknown + doubt

local function free(panic)
  local usable = limit - unused(now)
  return usable - (panic and 0 or min(reserve, usable - 1)) - #tokens
end

local function earliest(ahead, panic)
  local start, left = max(now, blocked, opens), unused(now)
  local usable = limit - left
  local spare = panic and 0 or min(reserve, usable - 1)
  local times = {}
  for i, token in ipairs(tokens) do
    times[i] = max(start, token[COOLING] == 1 and token[FREE] or min(token[FREE], now + cool))
  end
  table.sort(times)
  local count = usable - spare
  local first = #times - usable + spare -- so many of the times bring no token that this lane may have
  local place = ahead % count + 1 + first
  local at = (place < 1 and start or times[place]) + floor(ahead / count) * cool
  if left > 0 and refused >= 0 then
    at = min(at, max(start, max(refused, blocked) + (clean(now) + 1) * per))
  end
  return at
end

local answers, told = {}, 0
if m.serve then
  local asks, places, holders, count = {}, {}, {}, 0
  for _, ask in ipairs(m.asks) do asks[ask[1]] = ask end -- waiter, token, panic, age, stays
  for _, place in ipairs(line) do
    local mine = place[HOLDER] == m.holder
    if mine and asks[place[ID]] then asks[place[ID]].known = true end
    if mine and asks[place[ID]] or not mine and place[UNTIL] >= now then places[#places + 1] = place end
  end
  for _, ask in ipairs(m.asks) do
    if not ask.known then places[#places + 1] = {ask[1], m.holder, ask[3], ago(ask[4]), now} end
  end
  table.sort(places, function(a, other)
    if a[PANIC] ~= other[PANIC] then return a[PANIC] > other[PANIC] end
    if a[SINCE] ~= other[SINCE] then return a[SINCE] < other[SINCE] end
    return a[ID] < other[ID]
  end)
  for _, place in ipairs(places) do
    if not holders[place[HOLDER]] then holders[place[HOLDER]], count = true, count + 1 end
  end
  local share = ceil(limit / max(1, count))
  local opened = now >= max(blocked, opens)
  local given, kept, ahead = {}, 0, 0
  line = {}
  for _, place in ipairs(places) do
    local ask = place[HOLDER] == m.holder and asks[place[ID]]
    if not ask then
      ahead = ahead + 1
      line[#line + 1] = place
    else
      local panic, known, at = place[PANIC] == 1, place_of(ask[2]), nil
      if known then
        at = tokens[known][AT]
      elseif opened and free(panic) > ahead and now <= m.not_after then
        at = now
        tokens[#tokens + 1] = {ask[2], m.holder, now, now + ceil(lease * (1 + PPM)) + doubt, 0}
        granted = granted + 1
      end
      if at then
        given[place[ID]] = {at, 0, 0}
      else
        local first = earliest(ahead, panic)
        local again = min(first + ahead * STAGGER, now + (panic and PANIC_LOOKS or per))
        place[UNTIL] = again + LATE
        given[place[ID]] = {-1, again, first}
        if ask[5] == 1 and kept < share then
          kept, ahead = kept + 1, ahead + 1
          line[#line + 1] = place
        end
      end
    end
  end
  for i, ask in ipairs(m.asks) do
    answers[3 * i - 2], answers[3 * i - 1], answers[3 * i] = unpack(given[ask[1]])
  end
  told = kept
end

-- What stands afterwards ----------------------------------------------------------------------------------------------

if m.what ~= 'look' then
  local ends = blocked
  for _, token in ipairs(tokens) do ends = max(ends, token[FREE]) end
  for _, place in ipairs(line) do ends = max(ends, place[UNTIL]) end
  if refused >= 0 then ends = max(ends, max(refused, blocked) + max(1, given_up) * per) end
  ends = ends + MARGIN
  if ends > now then
    local packed = cmsgpack.pack({
      ends, limit, per, reserve, blocked, refused, given_up, refusals, granted, tokens, line
    })
    redis.call('SET', KEYS[2], packed, 'PX', string.format('%.0f', ceil((ends - now) / 1000)))
  elseif record then
    redis.call('DEL', KEYS[2])
  end
end
local out, looks = {}, m.what == 'look'
for i, token in ipairs(tokens) do -- another holder's token is nameless, except to those who look
  local id, n = token[ID], 4 * i
  if looks then id = token[HOLDER] elseif token[HOLDER] ~= m.holder then id = '' end
  out[n - 3], out[n - 2], out[n - 1], out[n] = id, token[AT], token[FREE], token[COOLING]
end
local waiting = {}
if looks then
  for _, place in ipairs(line) do if place[UNTIL] >= now then waiting[#waiting + 1] = place[HOLDER] end end
end
return {
  nonce, 'ok', now, since, unknown, opens, limit, per, reserve, agreed, told, blocked, refused, given_up, refusals,
  granted, answers, out, waiting
}
