-- The rule of `lease`, `line` and `epoch`, carried out in one step by a Redis or Valkey server.
--
-- KEYS[1] is the epoch of a hash tag, KEYS[2] the bucket of a key under it. ARGV[1] is the nonce with which the reply
-- begins, ARGV[2] the message, in the format of `redis_messages`. Times are whole microseconds of the server's clock:
-- exact in Lua's numbers, and rounded so that a token comes back later rather than earlier. A test compares every reply
-- with that of the Python rule.
--
-- A server does little else at a time, so this is written for its time. What is usual (no line, a token for each ask,
-- the end of a request that is out) is done on the record as it stands, a string, and takes a way of its own to the
-- same answer. All else is done on the record's values.
--
-- A record: a head, the names of holders, the tokens whose requests have ended, the others, and the line if there is
-- one. Tokens of either kind stand in the order in which they come back.

local PPM, DRIFT, GUARDED, MARGIN, VERSION = 0.0005, 1 / 0.9995 - 1, 2000000, 1000000, 1
local LATE, PANIC_LOOKS, STAGGER, WORTH_A_HINT = 250000, 100000, 300, 5000
local LOOK, VOUCH = 1, 2 -- what a message wants
local SETTLE, DOUBT, REFUND, REFUSE = 0, 1, 2, 4 -- what a note says; 3 is a block
local MESSAGE, NOTE, HELD, ASK = '<BBBHHHddddddddHc0Hc0', '<Bc24dd', '<c24ddB', '<c24dBBHc0'
local EPOCH, EPOCH_SIZE, EPOCH_MARK = '<c4Bddddd', 45, 'okxe'
local HEAD, HEAD_SIZE, HEAD_MARK = '<c4dddddddI4I4I4I4I4I4', 84, 'okxb'
local TOKEN, SIZE, TAKEN = '<c24I4dd', 44, 36 -- id, where its holder's name begins, when it was taken and comes back
local MANY_NAMES = 4096 -- bytes of holders' names after which those that hold nothing are looked for
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min
local find, sub = string.find, string.sub
local pack, unpacked = struct.pack, struct.unpack

local nonce, message = ARGV[1], ARGV[2]
local what, stepped, serve, count_notes, count_held, count_asks, expected, lease, grace, guard, not_after, wanted,
  wanted_per, wanted_reserve, mine, holder, notes_at = unpacked(MESSAGE, message)
local looks = what == LOOK
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- The epoch -----------------------------------------------------------------------------------------------------------

local records = redis.call('MGET', unpack(KEYS))
local stored, record = records[1], records[2]
local since, unknown, enters = now, -1, false
local mark, version, began, its_lease, its_grace, its_guard, its_unknown, run
if stored then
  if #stored < EPOCH_SIZE then return {nonce, 'unreadable', now} end
  mark, version, began, its_lease, its_grace, its_guard, its_unknown = unpacked(EPOCH, stored)
  if mark ~= EPOCH_MARK then return {nonce, 'unreadable', now} end
  run = sub(stored, EPOCH_SIZE + 1)
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
  if what == VOUCH or its_lease == 0 then -- no terms stand there: --vouch on the command line knows none
    unknown, enters = what == VOUCH and -1 or unknown, true
  elseif its_lease ~= lease or its_grace ~= grace or its_guard ~= guard then
    return {nonce, 'terms', now, its_lease, its_grace, its_guard}
  end
else
  -- Holders of before may write until their leases end; what stands of theirs stays.
  unknown, enters = what == VOUCH and -1 or now + ceil(lease * (1 + PPM)), true
end
if enters then
  redis.call('SET', KEYS[1], pack(EPOCH, EPOCH_MARK, VERSION, since, lease, grace, guard, unknown) .. mine)
end
if not KEYS[2] then return {nonce, 'ok', now, since, unknown, lease, grace, guard} end

-- The bucket as it stands ---------------------------------------------------------------------------------------------

local ends, latest, per, blocked, refused, refusals, granted = 0, 0, wanted_per, 0, -1, 0, 0
local limit, reserve, given_up = wanted, wanted_reserve, 0
local names, cooled, out, line = '', '', '', ''
if record then
  local size, ended, in_flight
  if #record < HEAD_SIZE then return {nonce, 'unreadable', now} end
  mark, ends, latest, per, blocked, refused, refusals, granted, limit, reserve, given_up, size, ended, in_flight =
    unpacked(HEAD, record)
  local cooled_at = HEAD_SIZE + size
  local out_at = cooled_at + ended * SIZE
  local line_at = out_at + in_flight * SIZE
  if mark ~= HEAD_MARK or #record < line_at then return {nonce, 'unreadable', now} end
  names, cooled = sub(record, HEAD_SIZE + 1, cooled_at), sub(record, cooled_at + 1, out_at)
  out, line = sub(record, out_at + 1, line_at), sub(record, line_at + 1)
end

local function cool_of(seconds) return ceil(seconds + guard + DRIFT * max(0, seconds - GUARDED)) end
local function ago(age) return ceil(now - age * (1 - PPM)) end
-- Where the holder's name begins among the names; 0: it is not there.
local function place_of_name() return find('\0' .. names, '\0' .. holder .. '\0', 1, true) or 0 end
-- When the last token of a kind comes back.
local function last_of(tokens) return #tokens > 0 and unpacked('<d', tokens, #tokens - 7) or 0 end

local function without_those_over(tokens)
  local over = 0
  while over < #tokens and unpacked('<d', tokens, over + TAKEN + 1) <= now do over = over + SIZE end
  return over == 0 and tokens or sub(tokens, over + 1)
end

local nothing = not record
local function forget_if_over()
  if not nothing and ends > now then return end
  nothing = true
  limit, per, reserve, blocked, refused, given_up, refusals, granted, latest =
    wanted, wanted_per, wanted_reserve, 0, -1, 0, 0, 0, 0
  names, cooled, out, line = '', '', '', ''
end
if max(latest, refused) <= now then forget_if_over() end -- else the clock was set back

local cool, doubt, opens -- of its quota
local function count_times()
  cool = cool_of(per)
  doubt = cool + ceil(grace * (1 + PPM))
  opens = unknown < 0 and -1 or unknown + doubt
end
count_times()
local agreed, told, answers = 0, 0, ''

-- What is usual -------------------------------------------------------------------------------------------------------

-- Do it and return true, or do nothing at all.
local function usual()
  if looks or line ~= '' or count_held > 0 or given_up > 0 or max(latest, refused) > now then return end
  if limit ~= wanted or per ~= wanted_per or reserve ~= wanted_reserve then return end
  local own, known, ended, flying, at = place_of_name(), names, cooled, out, notes_at
  if own == 0 then own, known = #names + 1, names .. holder .. '\0' end
  if #known > MANY_NAMES then return end
  local kind, id, age, size, _
  for _ = 1, count_notes do
    kind, id, age, _, at = unpacked(NOTE, message, at)
    local place = kind == SETTLE and find(flying, id, 1, true)
    if not place or place % SIZE ~= 1 then return end
    local back = ago(age) + cool
    if back > now then
      if last_of(ended) > back then return end
      ended = ended .. sub(flying, place, place + TAKEN - 1) .. pack('<d', back)
    end
    flying = sub(flying, 1, place - 1) .. sub(flying, place + SIZE)
  end
  ended, flying = without_those_over(ended), without_those_over(flying)
  local found, taken = '', 0
  if serve == 1 then
    if now < max(blocked, opens) or now > not_after then return end
    if limit - min(reserve, limit - 1) - (#ended + #flying) / SIZE < count_asks then return end
    local back = now + ceil(lease * (1 + PPM)) + doubt
    if last_of(flying) > back then return end
    for _ = 1, count_asks do
      id, _, _, _, _, at = unpacked(ASK, message, at)
      if find(flying, id, 1, true) or find(ended, id, 1, true) then return end
      flying, found, taken = flying .. pack(TOKEN, id, own, now, back), found .. pack('<ddd', now, 0, 0), taken + 1
    end
  end
  names, cooled, out, answers, granted = known, ended, flying, found, granted + taken
  if taken > 0 then latest = now end
  return true
end

-- All else: on values -------------------------------------------------------------------------------------------------

local WAITER, HOLDER, PANIC, SINCE, UNTIL = 1, 2, 3, 4, 5 -- of a place in line
local waiting = {} -- the holders of the places in line, for those who look

if not usual() then
  local ids, holders, taken_at, free_at, cooling = {}, {}, {}, {}, {}
  local readable, places = true, {}
  if line ~= '' then readable, places = pcall(cmsgpack.unpack, line) end
  if not readable or type(places) ~= 'table' then return {nonce, 'unreadable', now} end

  local function add(id, at, free, cools)
    local i = #ids + 1
    ids[i], holders[i], taken_at[i], free_at[i], cooling[i] = id, holder, at, free, cools
  end

  for cools, tokens in pairs({[0] = out, [1] = cooled}) do
    for at = 1, #tokens, SIZE do
      local id, name, taken, free = unpacked(TOKEN, tokens, at)
      add(id, taken, free, cools)
      holders[#ids] = sub(names, name, find(names, '\0', name, true) - 1)
    end
  end
  -- Where a token was taken later than now, or a refusal met, the clock was set back, by so much at least.
  local back = refused
  for i = 1, #ids do back = max(back, taken_at[i]) end
  back = back - now
  if back > 0 then
    ends, blocked, refused = ends - back, max(0, blocked - back), refused < 0 and -1 or refused - back
    for i = 1, #ids do taken_at[i], free_at[i] = taken_at[i] - back, free_at[i] - back end
    for _, place in ipairs(places) do place[SINCE], place[UNTIL] = place[SINCE] - back, place[UNTIL] - back end
  end
  if not nothing and ends <= now then
    forget_if_over()
    ids, holders, taken_at, free_at, cooling, places = {}, {}, {}, {}, {}, {}
  end
  if looks and nothing then return {nonce, 'nothing', now} end

  local function place_of(id)
    for i = 1, #ids do if ids[i] == id then return i end end
  end

  if not looks and (limit ~= wanted or per ~= wanted_per or reserve ~= wanted_reserve) then
    local before = cool_of(per)
    agreed = 1
    limit, per = min(limit, wanted), max(per, wanted_per)
    reserve = min(max(reserve, wanted_reserve), limit - 1)
    for i = 1, #ids do free_at[i] = free_at[i] + cool_of(per) - before end
    given_up = min(given_up, limit - 1)
  end
  count_times()

  local function clean(at)
    local passed = at - max(refused, blocked)
    if refused < 0 or passed < 0 then return 0 end
    return floor(min(passed / per, limit))
  end

  local function unused(at) return max(0, given_up - clean(at)) end

  -- What the message tells --------------------------------------------------------------------------------------------

  local at, early = notes_at, 0 -- early: tokens and places that come back before others were told that they would
  local notes, asks = {}, {}
  local kind, id, age, seconds, cools, panic, stays, waiter
  for i = 1, count_notes do
    kind, id, age, seconds, at = unpacked(NOTE, message, at)
    notes[i] = {kind, id, age, seconds}
  end
  for _ = 1, count_held do -- tokens of its own that the store may have forgotten
    id, age, seconds, cools, at = unpacked(HELD, message, at)
    if not place_of(id) then add(id, ago(age), now + ceil(seconds * (1 + PPM)), cools) end
  end
  for i = 1, count_asks do
    id, age, panic, stays, waiter, at = unpacked(ASK, message, at)
    asks[i] = {token = id, age = age, panic = panic, stays = stays == 1, waiter = waiter}
  end
  for _, note in ipairs(notes) do
    kind, id, age, seconds = unpack(note)
    local ended, i = ago(age), place_of(id)
    if kind == REFUND then
      if i and cooling[i] == 0 then ids[i], free_at[i], early = '', 0, early + 1 end
    elseif kind == SETTLE or kind == DOUBT then
      local free = ended + (kind == DOUBT and doubt or cool)
      if not i then
        if free > now then add(id, min(now, ended), free, 1) end
      elseif cooling[i] == 1 then
        free_at[i] = min(free_at[i], free)
      else
        free_at[i], cooling[i] = free, 1
      end
    else
      if kind == REFUSE then
        if refused < 0 or ended >= refused + per then
          local left = unused(ended)
          if refused >= 0 and clean(ended) == 0 then
            local usable = limit - left
            left = left + usable - max(1, floor(usable / 2))
          end
          given_up, refused = left, ended
        end
        refusals = refusals + 1
      end
      blocked = max(blocked, ended + seconds)
    end
  end
  local kept = 0 -- those that are over go
  for i = 1, #ids do
    if free_at[i] > now then
      kept = kept + 1
      if kept < i then
        ids[kept], holders[kept], taken_at[kept], free_at[kept], cooling[kept] =
          ids[i], holders[i], taken_at[i], free_at[i], cooling[i]
      end
    end
  end
  for i = #ids, kept + 1, -1 do ids[i], holders[i], taken_at[i], free_at[i], cooling[i] = nil, nil, nil, nil, nil end

  -- The line ----------------------------------------------------------------------------------------------------------

  local function free(lane)
    local usable = limit - unused(now)
    return usable - (lane and 0 or min(reserve, usable - 1)) - #ids
  end

  local function earliest(ahead, lane)
    local start, left = max(now, blocked, opens), unused(now)
    local usable = limit - left
    local spare = lane and 0 or min(reserve, usable - 1)
    local times = {}
    for i = 1, #ids do times[i] = max(start, cooling[i] == 1 and free_at[i] or min(free_at[i], now + cool)) end
    table.sort(times)
    local count = usable - spare
    local first = #times - usable + spare -- so many of the times bring no token that this lane may have
    local place = ahead % count + 1 + first
    local soonest = (place < 1 and start or times[place]) + floor(ahead / count) * cool
    if left > 0 and refused >= 0 then
      soonest = min(soonest, max(start, max(refused, blocked) + (clean(now) + 1) * per))
    end
    return soonest
  end

  local opened = now >= max(blocked, opens)

  local function take(token)
    add(token, now, now + ceil(lease * (1 + PPM)) + doubt, 0)
    granted = granted + 1
    return now
  end

  if serve == 1 and #places == 0 and opened and now <= not_after and free(false) >= #asks then
    for _, ask in ipairs(asks) do
      local known = place_of(ask.token)
      answers = answers .. pack('<ddd', known and taken_at[known] or take(ask.token), 0, 0)
    end
  elseif serve == 1 then
    local by_waiter, named, seen, count = {}, {}, {}, 0
    for _, ask in ipairs(asks) do by_waiter[ask.waiter] = ask end
    for _, place in ipairs(places) do
      if place[HOLDER] ~= holder then
        if place[UNTIL] >= now then named[#named + 1] = place end
      elseif by_waiter[place[WAITER]] then
        by_waiter[place[WAITER]].known = true
        named[#named + 1] = place
      else
        early = early + 1
      end
    end
    for _, ask in ipairs(asks) do
      if not ask.known then named[#named + 1] = {ask.waiter, holder, ask.panic, ago(ask.age), now} end
    end
    table.sort(named, function(a, other)
      if a[PANIC] ~= other[PANIC] then return a[PANIC] > other[PANIC] end
      if a[SINCE] ~= other[SINCE] then return a[SINCE] < other[SINCE] end
      return a[WAITER] < other[WAITER]
    end)
    for _, place in ipairs(named) do
      if not seen[place[HOLDER]] then seen[place[HOLDER]], count = true, count + 1 end
    end
    local share = ceil(limit / max(1, count))
    local given, ahead = {}, 0
    places = {}
    for _, place in ipairs(named) do
      local ask = place[HOLDER] == holder and by_waiter[place[WAITER]]
      if not ask then
        ahead = ahead + 1
        places[#places + 1] = place
      else
        local lane, known, taken = place[PANIC] == 1, place_of(ask.token), nil
        if known then
          taken = taken_at[known]
        elseif opened and free(lane) > ahead and now <= not_after then
          taken = take(ask.token)
        end
        if taken then
          given[place[WAITER]] = pack('<ddd', taken, 0, 0)
        else
          local first = earliest(ahead, lane)
          local again = min(first + ahead * STAGGER, now + (lane and PANIC_LOOKS or per))
          place[UNTIL] = again + LATE
          given[place[WAITER]] = pack('<ddd', -1, again, first)
          if ask.stays and told < share then
            told, ahead = told + 1, ahead + 1
            places[#places + 1] = place
          end
        end
      end
    end
    for _, ask in ipairs(asks) do answers = answers .. given[ask.waiter] end
  end

  -- A process that waits, and can be served earlier than it was told, is told so: one for each token that came back. It
  -- may as well not hear of it; then it comes when it was told to.
  local ahead = 0
  for _, place in ipairs(early > 0 and places or {}) do
    if place[UNTIL] >= now then
      local soonest = earliest(ahead, place[PANIC] == 1) + ahead * STAGGER
      if place[HOLDER] ~= holder and soonest < place[UNTIL] - LATE - WORTH_A_HINT then
        local channel = string.match(KEYS[1], '^[^:]*') .. ':hints:' .. place[HOLDER]
        redis.pcall('PUBLISH', channel, KEYS[2]) -- the user may not be allowed to
      end
      ahead, early = ahead + 1, early - 1
      if early == 0 then break end
    end
  end

  -- The record's strings anew -----------------------------------------------------------------------------------------

  local order, known, parts = {}, {}, {[0] = {}, [1] = {}}
  for i = 1, #ids do order[i] = i end
  table.sort(order, function(i, j) return free_at[i] < free_at[j] end)
  latest, names = 0, ''
  for _, i in ipairs(order) do
    local name, tokens = holders[i], parts[cooling[i]]
    if not known[name] then known[name], names = #names + 1, names .. name .. '\0' end
    tokens[#tokens + 1] = pack(TOKEN, ids[i], known[name], taken_at[i], free_at[i])
    latest = max(latest, taken_at[i])
  end
  out, cooled = table.concat(parts[0]), table.concat(parts[1])
  line = #places > 0 and cmsgpack.pack(places) or ''
  ends = 0
  for _, place in ipairs(places) do
    ends = max(ends, place[UNTIL])
    if place[UNTIL] >= now then waiting[#waiting + 1] = place[HOLDER] end
  end
else
  ends = 0
end

-- What stands afterwards ----------------------------------------------------------------------------------------------

ends = max(ends, blocked, last_of(cooled), last_of(out))
if refused >= 0 then ends = max(ends, max(refused, blocked) + max(1, given_up) * per) end
ends = ends + MARGIN
local kept = pack(
  HEAD, HEAD_MARK, ends, latest, per, blocked, refused, refusals, granted, limit, reserve, given_up, #names,
  #cooled / SIZE, #out / SIZE
) .. names .. cooled .. out
if not looks then
  if ends > now then
    redis.call('SET', KEYS[2], kept .. line, 'PX', ceil((ends - now) / 1000))
  elseif record then
    redis.call('DEL', KEYS[2])
  end
end
local seen = pack('<ddI4BB', unknown, opens, place_of_name(), agreed, told)
return {nonce, 'ok', now, since, seen, kept, answers, unpack(waiting)}
