-- The rule of `lease`, `line` and `epoch`, carried out in one step by a Redis or Valkey server.
--
-- KEYS[1] is the epoch of a hash tag, KEYS[2] the bucket of a key under it. ARGV[1] is the nonce with which the reply
-- begins, ARGV[2] the message. Times are whole microseconds of the server's clock: exact in Lua's numbers, and rounded
-- so that a token comes back later rather than earlier. A test compares every reply with that of the Python rule.
--
-- A server does little else at a time, so this is written for its time: the tokens are columns, not a table for each,
-- and what is usual (no line, a token for each ask) takes a way of its own to the same answer.

local PPM, DRIFT, GUARDED, MARGIN, VERSION = 0.0005, 1 / 0.9995 - 1, 2000000, 1000000, 1
local LATE, PANIC_LOOKS, STAGGER, WORTH_A_HINT = 250000, 100000, 300, 5000
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

local nonce = ARGV[1]
local what, stepped, mine, expected, lease, grace, guard, holder, not_after, wanted, wanted_per, wanted_reserve, serve,
  notes, adopted, asks = unpack(cjson.decode(ARGV[2]))
local looks = what == 'look'
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- The epoch -----------------------------------------------------------------------------------------------------------

local records = redis.call('MGET', unpack(KEYS))
local stored, record = records[1], records[2]
local since, unknown, enters = now, -1, false
local readable, run, began, its_lease, its_grace, its_guard, its_unknown, version = true
if stored then
  readable, run, began, its_lease, its_grace, its_guard, its_unknown, version = pcall(cmsgpack.unpack, stored)
  if not readable or type(version) ~= 'number' then return {nonce, 'unreadable', now} end
end
if looks then
  if not stored then return {nonce, 'nothing', now} end
  since, lease, grace, guard, unknown = began, its_lease, its_grace, its_guard, its_unknown
elseif stored and run == mine and stepped == 0 then
  if version > VERSION then return {nonce, 'newer', now, version} end
  -- This message was late, or the clock was stepped: which one its sender can tell. Nothing is done.
  if expected >= 0 and now > expected then return {nonce, 'late', now} end
  since, unknown = began, its_unknown
  if began > now then -- the clock was set back, by so much at least
    since, unknown, enters = now, unknown < 0 and -1 or unknown - (began - now), true
  end
  if what == 'vouch' or its_lease == 0 then -- no terms stand there: --vouch on the command line knows none
    unknown, enters = what == 'vouch' and -1 or unknown, true
  elseif its_lease ~= lease or its_grace ~= grace or its_guard ~= guard then
    return {nonce, 'terms', now, its_lease, its_grace, its_guard}
  end
else
  -- Holders of before may write until their leases end; what stands of theirs stays.
  unknown, enters = what == 'vouch' and -1 or now + ceil(lease * (1 + PPM)), true
end
if enters then redis.call('SET', KEYS[1], cmsgpack.pack(mine, since, lease, grace, guard, unknown, VERSION)) end
if not KEYS[2] then return {nonce, 'ok', now, since, unknown, lease, grace, guard} end

-- The bucket ----------------------------------------------------------------------------------------------------------

local ID, HOLDER, PANIC, SINCE, UNTIL = 1, 2, 3, 4, 5 -- of a place in line

local ends, limit, per, reserve, blocked, refused, given_up, refusals, granted
local ids, holders, taken_at, free_at, cooling -- of the tokens that are out
local line
if record then
  readable, ends, limit, per, reserve, blocked, refused, given_up, refusals, granted, ids, holders, taken_at, free_at,
    cooling, line = pcall(cmsgpack.unpack, record)
  if not readable or type(line) ~= 'table' then return {nonce, 'unreadable', now} end
end
if record then -- where a token was taken later than now, the clock was set back, by so much at least
  local back = refused
  for i = 1, #ids do back = max(back, taken_at[i]) end
  back = back - now
  if back > 0 then
    ends, blocked, refused = ends - back, max(0, blocked - back), refused < 0 and -1 or refused - back
    for i = 1, #ids do taken_at[i], free_at[i] = taken_at[i] - back, free_at[i] - back end
    for _, place in ipairs(line) do place[SINCE], place[UNTIL] = place[SINCE] - back, place[UNTIL] - back end
  end
end
if not record or ends <= now then
  if looks then return {nonce, 'nothing', now} end
  limit, per, reserve, blocked, refused, given_up, refusals, granted =
    wanted, wanted_per, wanted_reserve, 0, -1, 0, 0, 0
  ids, holders, taken_at, free_at, cooling, line = {}, {}, {}, {}, {}, {}
end

local function cool_of(seconds) return ceil(seconds + guard + DRIFT * max(0, seconds - GUARDED)) end
local function ago(age) return ceil(now - age * (1 - PPM)) end

local function place_of(id)
  for i = 1, #ids do if ids[i] == id then return i end end
end

local function add(id, at, free, cools)
  local i = #ids + 1
  ids[i], holders[i], taken_at[i], free_at[i], cooling[i] = id, holder, at, free, cools
end

local agreed = 0
if not looks and (limit ~= wanted or per ~= wanted_per or reserve ~= wanted_reserve) then
  local before = cool_of(per)
  agreed = 1
  limit, per = min(limit, wanted), max(per, wanted_per)
  reserve = min(max(reserve, wanted_reserve), limit - 1)
  for i = 1, #ids do free_at[i] = free_at[i] + cool_of(per) - before end
  given_up = min(given_up, limit - 1)
end
local cool = cool_of(per)
local doubt = cool + ceil(grace * (1 + PPM))

local function clean(at)
  local passed = at - max(refused, blocked)
  if refused < 0 or passed < 0 then return 0 end
  return floor(min(passed / per, limit))
end

local function unused(at) return max(0, given_up - clean(at)) end

local early = 0 -- tokens and places that come back before others were told that they would
if not looks then
  for _, held in ipairs(adopted) do -- id, age, seconds that are left, whether it cools
    if not place_of(held[1]) then add(held[1], ago(held[2]), now + ceil(held[3] * (1 + PPM)), held[4]) end
  end
  for _, note in ipairs(notes) do -- kind, token, age, seconds
    local kind, id, at, i = note[1], note[2], ago(note[3]), place_of(note[2])
    if kind == 'refund' then
      if i and cooling[i] == 0 then ids[i], free_at[i], early = '', 0, early + 1 end
    elseif kind == 'settle' or kind == 'doubt' then
      local back = at + (kind == 'doubt' and doubt or cool)
      if not i then
        if back > now then add(id, min(now, at), back, 1) end
      elseif cooling[i] == 1 then
        free_at[i] = min(free_at[i], back)
      else
        free_at[i], cooling[i] = back, 1
      end
    else
      if kind == 'refuse' then
        if refused < 0 or at >= refused + per then
          local left = unused(at)
          if refused >= 0 and clean(at) == 0 then
            local usable = limit - left
            left = left + usable - max(1, floor(usable / 2))
          end
          given_up, refused = left, at
        end
        refusals = refusals + 1
      end
      blocked = max(blocked, at + note[4])
    end
  end
end
local out = 0 -- those that are over go
for i = 1, #ids do
  if free_at[i] > now then
    out = out + 1
    if out < i then
      ids[out], holders[out], taken_at[out], free_at[out], cooling[out] =
        ids[i], holders[i], taken_at[i], free_at[i], cooling[i]
    end
  end
end
for i = #ids, out + 1, -1 do ids[i], holders[i], taken_at[i], free_at[i], cooling[i] = nil, nil, nil, nil, nil end

-- The line ------------------------------------------------------------------------------------------------------------

local opens = unknown < 0 and -1 or unknown + doubt

local function free(panic)
  local usable = limit - unused(now)
  return usable - (panic and 0 or min(reserve, usable - 1)) - #ids
end

local function earliest(ahead, panic)
  local start, left = max(now, blocked, opens), unused(now)
  local usable = limit - left
  local spare = panic and 0 or min(reserve, usable - 1)
  local times = {}
  for i = 1, #ids do times[i] = max(start, cooling[i] == 1 and free_at[i] or min(free_at[i], now + cool)) end
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
local opened = now >= max(blocked, opens)

local function take(id)
  add(id, now, now + ceil(lease * (1 + PPM)) + doubt, 0)
  granted = granted + 1
  return now
end

if serve == 1 and #line == 0 and opened and now <= not_after and free(false) >= #asks then
  for _, ask in ipairs(asks) do -- waiter, token, panic, age, stays
    local known, n = place_of(ask[2]), #answers
    answers[n + 1], answers[n + 2], answers[n + 3] = known and taken_at[known] or take(ask[2]), 0, 0
  end
elseif serve == 1 then
  local by_waiter, places, seen, count = {}, {}, {}, 0
  for _, ask in ipairs(asks) do by_waiter[ask[1]] = ask end
  for _, place in ipairs(line) do
    if place[HOLDER] ~= holder then
      if place[UNTIL] >= now then places[#places + 1] = place end
    elseif by_waiter[place[ID]] then
      by_waiter[place[ID]].known = true
      places[#places + 1] = place
    else
      early = early + 1
    end
  end
  for _, ask in ipairs(asks) do
    if not ask.known then places[#places + 1] = {ask[1], holder, ask[3], ago(ask[4]), now} end
  end
  table.sort(places, function(a, other)
    if a[PANIC] ~= other[PANIC] then return a[PANIC] > other[PANIC] end
    if a[SINCE] ~= other[SINCE] then return a[SINCE] < other[SINCE] end
    return a[ID] < other[ID]
  end)
  for _, place in ipairs(places) do
    if not seen[place[HOLDER]] then seen[place[HOLDER]], count = true, count + 1 end
  end
  local share = ceil(limit / max(1, count))
  local given, ahead = {}, 0
  line = {}
  for _, place in ipairs(places) do
    local ask = place[HOLDER] == holder and by_waiter[place[ID]]
    if not ask then
      ahead = ahead + 1
      line[#line + 1] = place
    else
      local panic, known, at = place[PANIC] == 1, place_of(ask[2]), nil
      if known then
        at = taken_at[known]
      elseif opened and free(panic) > ahead and now <= not_after then
        at = take(ask[2])
      end
      if at then
        given[place[ID]] = {at, 0, 0}
      else
        local first = earliest(ahead, panic)
        local again = min(first + ahead * STAGGER, now + (panic and PANIC_LOOKS or per))
        place[UNTIL] = again + LATE
        given[place[ID]] = {-1, again, first}
        if ask[5] == 1 and told < share then
          told, ahead = told + 1, ahead + 1
          line[#line + 1] = place
        end
      end
    end
  end
  for i, ask in ipairs(asks) do
    answers[3 * i - 2], answers[3 * i - 1], answers[3 * i] = unpack(given[ask[1]])
  end
end

-- A process that waits, and can be served earlier than it was told, is told so: one for each token that came back. It
-- may as well not hear of it; then it comes when it was told to.
local ahead = 0
for _, place in ipairs(early > 0 and line or {}) do
  if place[UNTIL] >= now then
    local at = earliest(ahead, place[PANIC] == 1) + ahead * STAGGER
    if place[HOLDER] ~= holder and at < place[UNTIL] - LATE - WORTH_A_HINT then
      local channel = string.match(KEYS[1], '^[^:]*') .. ':hints:' .. place[HOLDER]
      redis.pcall('PUBLISH', channel, KEYS[2]) -- the user may not be allowed to
    end
    ahead, early = ahead + 1, early - 1
    if early == 0 then break end
  end
end

-- What stands afterwards ----------------------------------------------------------------------------------------------

if not looks then
  ends = blocked
  for i = 1, #ids do ends = max(ends, free_at[i]) end
  for _, place in ipairs(line) do ends = max(ends, place[UNTIL]) end
  if refused >= 0 then ends = max(ends, max(refused, blocked) + max(1, given_up) * per) end
  ends = ends + MARGIN
  if ends > now then
    local packed = cmsgpack.pack(
      ends, limit, per, reserve, blocked, refused, given_up, refusals, granted,
      ids, holders, taken_at, free_at, cooling, line
    )
    redis.call('SET', KEYS[2], packed, 'PX', ceil((ends - now) / 1000))
  elseif record then
    redis.call('DEL', KEYS[2])
  end
end
-- All of it in one table: how many tokens there are, each with four values, and then the answers or those in line.
local reply, n = {
  nonce, 'ok', now, since, unknown, opens, limit, per, reserve, agreed, told, blocked, refused, given_up, refusals,
  granted, #ids
}, 17
for i = 1, #ids do -- another holder's token is nameless, except to those who look
  local name = looks and holders[i] or holders[i] == holder and ids[i] or ''
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = name, taken_at[i], free_at[i], cooling[i]
  n = n + 4
end
for i = 1, #answers do reply[n + i] = answers[i] end
if looks then
  for _, place in ipairs(line) do if place[UNTIL] >= now then reply[#reply + 1] = place[HOLDER] end end
end
return reply
