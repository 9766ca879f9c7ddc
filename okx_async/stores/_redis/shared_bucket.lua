
  -- All else: goes on from `shared_quick.lua` -------------------------------------------------------------------------

  local WAITER, HOLDER, PANIC, SINCE, UNTIL = 1, 2, 3, 4, 5 -- of a place in line
  local waiting = {} -- the holders of the places in line, for those who look
  ends = 0

  if not usual then
    local DOUBT, REFUND, REFUSE, HELD = 1, 2, 4, '<c24ddB' -- what a note says, and a token of the sender's own
    local LATE, PANIC_LOOKS, STAGGER, WORTH_A_HINT = 250000, 100000, 300, 5000
    local floor = math.floor

    local function ago(age) return ceil(now - age * (1 - PPM)) end

    local ids, holders, taken_at, free_at, cooling = {}, {}, {}, {}, {}
    local readable, places = true, {}
    if line ~= '' then readable, places = pcall(cmsgpack.unpack, line) end
    if not readable or type(places) ~= 'table' then return {'unreadable', now} end

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
      blocked, refused = max(0, blocked - back), refused < 0 and -1 or refused - back
      for i = 1, #ids do taken_at[i], free_at[i] = taken_at[i] - back, free_at[i] - back end
      for _, place in ipairs(places) do place[SINCE], place[UNTIL] = place[SINCE] - back, place[UNTIL] - back end
    end
    if looks and nothing then return {'nothing', now} end

    local function place_of(id)
      for i = 1, #ids do if ids[i] == id then return i end end
    end

    if not looks and (limit ~= wanted or per ~= wanted_per or reserve ~= wanted_reserve) then
      agreed = 1
      limit, per = min(limit, wanted), max(per, wanted_per)
      reserve = min(max(reserve, wanted_reserve), limit - 1)
      local longer = ceil(per + guard + DRIFT * max(0, per - GUARDED)) - cool
      for i = 1, #ids do free_at[i] = free_at[i] + longer end
      cool, doubt, opens = cool + longer, doubt + longer, opens < 0 and -1 or opens + longer
      given_up = min(given_up, limit - 1)
    end

    local function clean(at)
      local passed = at - max(refused, blocked)
      if refused < 0 or passed < 0 then return 0 end
      return floor(min(passed / per, limit))
    end

    local function unused(at) return max(0, given_up - clean(at)) end

    -- What the message tells ------------------------------------------------------------------------------------------

    local at, early = notes_at, 0 -- early: tokens and places that come back before others were told that they would
    local notes, asks = {}, {}
    local kind, id, age, seconds, cools, panic, stays, size
    for i = 1, count_notes do
      kind, id, age, seconds, at = unpacked(NOTE, message, at)
      notes[i] = {kind, id, age, seconds}
    end
    for _ = 1, count_held do -- tokens of its own that the store may have forgotten
      id, age, seconds, cools, at = unpacked(HELD, message, at)
      if not place_of(id) then add(id, ago(age), now + ceil(seconds * (1 + PPM)), cools) end
    end
    for i = 1, count_asks do
      id, age, panic, stays, size, at = unpacked(ASK, message, at)
      asks[i] = {token = id, age = age, panic = panic, stays = stays == 1, waiter = sub(message, at, at + size - 1)}
      at = at + size
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

    -- The line --------------------------------------------------------------------------------------------------------

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

    if serve == 1 then
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
            given[place[WAITER]] = pack(ANSWER, taken, 0, 0)
          else
            local first = earliest(ahead, lane)
            local again = min(first + ahead * STAGGER, now + (lane and PANIC_LOOKS or per))
            place[UNTIL] = again + LATE
            given[place[WAITER]] = pack(ANSWER, -1, again, first)
            if ask.stays and told < share then
              told, ahead = told + 1, ahead + 1
              places[#places + 1] = place
            end
          end
        end
      end
      for _, ask in ipairs(asks) do answers = answers .. given[ask.waiter] end
    end

    -- A process that waits, and can be served earlier than it was told, is told so: one for each token that came back.
    -- It may as well not hear of it; then it comes when it was told to.
    local ahead = 0
    for _, place in ipairs(early > 0 and places or {}) do
      if place[UNTIL] >= now then
        local soonest = earliest(ahead, place[PANIC] == 1) + ahead * STAGGER
        if place[HOLDER] ~= holder and soonest < place[UNTIL] - LATE - WORTH_A_HINT then
          local channel = string.match(epoch_name, '^[^:]*') .. ':hints:' .. place[HOLDER]
          redis.pcall('PUBLISH', channel, bucket_name) -- the user may not be allowed to
        end
        ahead, early = ahead + 1, early - 1
        if early == 0 then break end
      end
    end

    -- The record's strings anew ---------------------------------------------------------------------------------------

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
    for _, place in ipairs(places) do
      ends = max(ends, place[UNTIL])
      if place[UNTIL] >= now then waiting[#waiting + 1] = place[HOLDER] end
    end
    own = known[holder]
  end

  -- What stands afterwards --------------------------------------------------------------------------------------------

  ends = max(ends, blocked)
  if #cooled > 0 then ends = max(ends, unpacked('<d', cooled, #cooled - 7)) end
  if #out > 0 then ends = max(ends, unpacked('<d', out, #out - 7)) end
  if refused >= 0 then ends = max(ends, max(refused, blocked) + max(1, given_up) * per) end
  ends = ends + MARGIN
  local kept = pack(
    HEAD, HEAD_MARK, ends, latest, per, blocked, refused, refusals, granted, limit, reserve, given_up, #names,
    #cooled / SIZE, #out / SIZE
  ) .. names .. cooled .. out
  if not looks then
    if ends > now then
      redis.call('SET', bucket_name, kept .. line, 'PX', ceil((ends - now) / 1000))
    elseif record then
      redis.call('DEL', bucket_name)
    end
  end
  local seen = pack(SEEN, unknown, opens, own or 0, #answers, agreed, told)
  return {'ok', now, since, seen .. answers .. kept, unpack(waiting)}
end

local replies, records = {ARGV[1]}, redis.call('MGET', unpack(KEYS))
local each = #KEYS / (#ARGV - 1)
for n = 2, #ARGV do
  local at = (n - 2) * each + 1
  if each == 2 then
    replies[n] = carried_out(ARGV[n], KEYS[at], records[at], KEYS[at + 1], records[at + 1])
  else
    replies[n] = carried_out(ARGV[n], KEYS[at], records[at])
  end
end
return replies
