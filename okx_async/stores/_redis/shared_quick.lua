-- The rule of `lease`, `line` and `epoch`, carried out in one step by a Redis or Valkey server.
--
-- ARGV[1] is the nonce with which the reply begins. Each further ARGV is a message, in the format of `messages.py`;
-- KEYS are what it is about: the epoch of a hash tag, and the bucket of a key under it unless the message is about
-- epochs alone. No bucket is named twice. Times are whole microseconds of the server's clock: exact in Lua's numbers,
-- and rounded so that a token comes back later rather than earlier. A test compares every reply with that of the Python
-- rule.
--
-- A server does little else at a time, so this is written for its time. What is usual (no line, a token for each ask,
-- the end of a request that is out) is done on the record as it stands, a string, and takes a way of its own to the
-- same answer. All else, in `shared_bucket.lua`, with which this is one script, is done on the record's values.
--
-- A record: a head, the names of holders, the tokens whose requests have ended, the others, and the line if there is
-- one. Tokens of either kind stand in the order in which they come back.

local ceil, max, min, find, sub = math.ceil, math.max, math.min, string.find, string.sub
local pack, unpacked = struct.pack, struct.unpack
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- Stored and record are what stands there, or false.
local function carried_out(message, epoch_name, stored, bucket_name, record)
  local PPM, DRIFT, GUARDED, MARGIN, VERSION = 0.0005, 1 / 0.9995 - 1, 2000000, 1000000, 1
  local LOOK, VOUCH, SETTLE = 1, 2, 0 -- what a message wants, and what a note says
  local MESSAGE, NOTE, ASK = '<BBBHHHddddddddHc0Hc0', '<Bc24dd', '<c24dBBH'
  local ANSWER, SEEN = '<ddd', '<ddI4I4BB' -- taken, ask again, earliest; what a reply tells first
  local EPOCH, EPOCH_SIZE, EPOCH_MARK = '<c4Bddddd', 45, 'okxe'
  local HEAD, HEAD_SIZE, HEAD_MARK = '<c4dddddddI4I4I4I4I4I4', 84, 'okxb'
  local TOKEN, SIZE, TAKEN = '<c24I4dd', 44, 36 -- id, where its holder's name begins, when it was taken and comes back
  local MANY_NAMES = 4096 -- bytes of holders' names after which those that hold nothing are looked for

  local what, stepped, serve, count_notes, count_held, count_asks, expected, lease, grace, guard, not_after, wanted,
    wanted_per, wanted_reserve, mine, holder, notes_at = unpacked(MESSAGE, message)
  local looks = what == LOOK

  -- The epoch ---------------------------------------------------------------------------------------------------------

  local since, unknown, enters = now, -1, false
  local mark, version, began, its_lease, its_grace, its_guard, its_unknown, run
  if stored then
    if #stored < EPOCH_SIZE then return {'unreadable', now} end
    mark, version, began, its_lease, its_grace, its_guard, its_unknown = unpacked(EPOCH, stored)
    if mark ~= EPOCH_MARK then return {'unreadable', now} end
    run = sub(stored, EPOCH_SIZE + 1)
  end
  if looks then
    if not stored then return {'nothing', now} end
    since, lease, grace, guard, unknown = began, its_lease, its_grace, its_guard, its_unknown
  elseif stored and run == mine and stepped == 0 then
    if version > VERSION then return {'newer', now, version} end
    -- This message was late, or the clock was stepped: which one its sender can tell. Nothing is done.
    if expected >= 0 and now > expected then return {'late', now} end
    since, unknown = began, its_unknown
    if began > now then -- the clock was set back, by so much at least
      since, unknown, enters = now, unknown < 0 and -1 or unknown - (began - now), true
    end
    if what == VOUCH or its_lease == 0 then -- no terms stand there: --vouch on the command line knows none
      unknown, enters = what == VOUCH and -1 or unknown, true
    elseif its_lease ~= lease or its_grace ~= grace or its_guard ~= guard then
      return {'terms', now, its_lease, its_grace, its_guard}
    end
  else
    -- Holders of before may write until their leases end; what stands of theirs stays.
    unknown, enters = what == VOUCH and -1 or now + ceil(lease * (1 + PPM)), true
  end
  if enters then
    redis.call('SET', epoch_name, pack(EPOCH, EPOCH_MARK, VERSION, since, lease, grace, guard, unknown) .. mine)
  end
  if not bucket_name then return {'ok', now, since, unknown, lease, grace, guard} end

  -- The bucket as it stands -------------------------------------------------------------------------------------------

  local ends, latest, per, blocked, refused, refusals, granted = 0, 0, wanted_per, 0, -1, 0, 0
  local limit, reserve, given_up = wanted, wanted_reserve, 0
  local names, cooled, out, line = '', '', '', ''
  if record then
    local size, ended, in_flight
    if #record < HEAD_SIZE then return {'unreadable', now} end
    mark, ends, latest, per, blocked, refused, refusals, granted, limit, reserve, given_up, size, ended, in_flight =
      unpacked(HEAD, record)
    local cooled_at = HEAD_SIZE + size
    local out_at = cooled_at + ended * SIZE
    local line_at = out_at + in_flight * SIZE
    if mark ~= HEAD_MARK or #record < line_at then return {'unreadable', now} end
    names, cooled = sub(record, HEAD_SIZE + 1, cooled_at), sub(record, cooled_at + 1, out_at)
    out, line = sub(record, out_at + 1, line_at), sub(record, line_at + 1)
  end

  -- What is usual (without functions: Lua makes them anew in each call, with a box for each variable they use) --------

  local nothing = not record or ends <= now -- a record ends after the last thing that it tells of
  if nothing then
    limit, per, reserve, blocked, refused, given_up, refusals, granted, latest =
      wanted, wanted_per, wanted_reserve, 0, -1, 0, 0, 0, 0
    names, cooled, out, line = '', '', '', ''
  end
  local cool = ceil(per + guard + DRIFT * max(0, per - GUARDED))
  local doubt = cool + ceil(grace * (1 + PPM))
  local opens = unknown < 0 and -1 or unknown + doubt
  local agreed, told, answers = 0, 0, ''
  local own = find('\0' .. names, '\0' .. holder .. '\0', 1, true) -- where the holder's name begins
  local usual = false

  repeat -- until something is not as usual; then nothing has been done
    if looks or line ~= '' or count_held > 0 or given_up > 0 or max(latest, refused) > now then break end
    if limit ~= wanted or per ~= wanted_per or reserve ~= wanted_reserve or #names > MANY_NAMES then break end
    local known, ended, flying, at, odd = names, cooled, out, notes_at, false
    local last = #ended > 0 and unpacked('<d', ended, #ended - 7) or 0
    local kind, id, age, size, _
    for _ = 1, count_notes do
      kind, id, age, _, at = unpacked(NOTE, message, at)
      local place, back = kind == SETTLE and find(flying, id, 1, true), ceil(now - age * (1 - PPM)) + cool
      odd = not place or place % SIZE ~= 1 or back > now and back < last
      if odd then break end
      if back > now then
        ended, last = ended .. sub(flying, place, place + TAKEN - 1) .. pack('<d', back), back
      end
      flying = sub(flying, 1, place - 1) .. sub(flying, place + SIZE)
    end
    if odd then break end
    local over = 0
    while over < #ended and unpacked('<d', ended, over + TAKEN + 1) <= now do over = over + SIZE end
    if over > 0 then ended = sub(ended, over + 1) end
    over = 0
    while over < #flying and unpacked('<d', flying, over + TAKEN + 1) <= now do over = over + SIZE end
    if over > 0 then flying = sub(flying, over + 1) end
    if serve == 1 then
      if now < max(blocked, opens) or now > not_after then break end
      if limit - min(reserve, limit - 1) - (#ended + #flying) / SIZE < count_asks then break end
      local back = now + ceil(lease * (1 + PPM)) + doubt
      if #flying > 0 and unpacked('<d', flying, #flying - 7) > back then break end
      if not own then own, known = #names + 1, names .. holder .. '\0' end
      for _ = 1, count_asks do
        id, _, _, _, size, at = unpacked(ASK, message, at)
        odd = find(flying, id, 1, true) or find(ended, id, 1, true)
        if odd then break end
        flying, at = flying .. pack(TOKEN, id, own, now, back), at + size
      end
      if odd then break end
      answers = string.rep(pack(ANSWER, now, 0, 0), count_asks)
      granted = granted + count_asks
      if count_asks > 0 then latest = now end
    end
    names, cooled, out, usual = known, ended, flying, true
  until true
