"""What runs inside Redis, each script at once: nobody sees a counter between a look and its change.

One epoch is one stretch in which nothing was lost. It names the run of the server that it began in, and is open once all
runtimes that were there have said what they spent. A counter is a hash: `BUCKET` is the sum that decisions look at,
`BUCKET|CHAIN|RUN` what one run of one runtime added to it, `BUCKET|^` what somebody has seen it to be. All keys have the
same hash tag, so they live in one slot of a cluster; those of counters that a new epoch opens are found in `touched`.
"""

from __future__ import annotations

from typing import Final

_OPEN: Final = """
local function open(tag, e, touched)
  for _, name in ipairs(redis.call('SMEMBERS', touched)) do
    local key, sums, floors = tag .. name, {}, {}
    local fields = redis.call('HGETALL', key)
    if #fields == 0 then redis.call('SREM', touched, name) end
    for at = 1, #fields, 2 do
      local bucket, chain = string.match(fields[at], '^(%-?%d+)|(.*)$')
      if chain == '^' then
        floors[bucket] = tonumber(fields[at + 1])
        redis.call('HDEL', key, fields[at])
      elseif bucket then
        sums[bucket] = (sums[bucket] or 0) + tonumber(fields[at + 1])
      end
    end
    for bucket, floor in pairs(floors) do sums[bucket] = math.max(sums[bucket] or 0, floor) end
    for bucket, sum in pairs(sums) do redis.call('HSET', key, bucket, string.format('%.0f', sum)) end
  end
  redis.call('HSET', e, 'open', '1')
end
local function open_if_all(tag, e, required, joined, touched)
  if #redis.call('SDIFF', required, joined) == 0 then open(tag, e, touched) return true end
  return false
end
"""

_CHECK: Final = """
local e = redis.call('HMGET', KEYS[1], 'id', 'run', 'open')
if e[1] ~= ARGV[1] or e[2] ~= ARGV[2] then return {'lost'} end
if redis.call('HGET', KEYS[2], ARGV[3]) ~= ARGV[4] then return {'fenced'} end
local own = '|' .. ARGV[5]
"""
"""ARGV: epoch, run of the server, member, its generation, the name of its own sums."""

_WAIT: Final = """
if e[3] ~= '1' then return {'wait'} end
"""

_LOOK: Final = """
local now = tonumber(redis.call('TIME')[1])
local WIDTH, LIMIT, AMOUNT, BINDING, WARN, CANDIDATES, PER = 1, 2, 3, 4, 5, 6, 11
local function look(place)
  local key, base = KEYS[3 + place], 6 + (place - 1) * PER
  local width = tonumber(ARGV[base + WIDTH])
  if width == 0 then
    for at = base + CANDIDATES, base + CANDIDATES + 4, 2 do
      local first, last = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
      if first <= now and now < last then
        local sum = tonumber(redis.call('HGET', key, ARGV[at]) or '0')
        return {bucket = ARGV[at], last = last, sum = sum, parts = {}, keep = first - 2 * (last - first), gone = last}
      end
    end
    return nil
  end
  local start, fields, parts, sum = now - now % width, {}, {}, 0
  for back = 60, 0, -1 do fields[#fields + 1] = string.format('%.0f', start - back * width) end
  local found = redis.call('HMGET', key, unpack(fields))
  for at, value in ipairs(found) do
    if value and tonumber(value) ~= 0 then
      sum = sum + tonumber(value)
      parts[#parts + 1] = tonumber(fields[at])
      parts[#parts + 1] = tonumber(value)
    end
  end
  local keep, gone = start - 120 * width, start + 61 * width
  return {bucket = fields[61], last = start + width, sum = sum, parts = parts, keep = keep, gone = gone}
end
"""

RESERVE: Final = (
    _CHECK
    + _WAIT
    + _LOOK
    + """
local function grant(place, found)
  local key, amount = KEYS[3 + place], ARGV[6 + (place - 1) * PER + AMOUNT]
  redis.call('HINCRBY', key, found.bucket .. own, amount)
  if redis.call('HINCRBY', key, found.bucket, amount) ~= tonumber(amount) then return end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if tonumber(string.match(field, '^%-?%d+')) < found.keep then redis.call('HDEL', key, field) end
  end
  redis.call('SADD', KEYS[3], string.sub(key, #ARGV[6] + 1))
  redis.call('EXPIREAT', key, string.format('%.0f', found.gone + 86400))
end
local function first(place, found, kind)
  local name = string.sub(ARGV[6], 1, -3) .. kind .. string.sub(KEYS[3 + place], #ARGV[6] + 1)
  local width = tonumber(ARGV[6 + (place - 1) * PER + WIDTH])
  local seconds = width == 0 and found.last - now or 60 * width
  return redis.call('SET', name, '1', 'NX', 'EX', string.format('%.0f', seconds))
end
local looks, over, said, warned, passed = {}, {}, {}, {}, {}
for place = 1, #KEYS - 3 do
  local found, base = look(place), 6 + (place - 1) * PER
  if not found then return {'skew', now} end
  looks[place] = found
  if ARGV[base + BINDING] == '1' and found.sum + tonumber(ARGV[base + AMOUNT]) > tonumber(ARGV[base + LIMIT]) then
    over[#over + 1] = place - 1
  end
  said[place] = {tonumber(found.bucket), found.last, string.format('%.0f', found.sum), found.parts}
end
if #over == 0 then
  for place, found in ipairs(looks) do
    local base = 6 + (place - 1) * PER
    local sum, warn = found.sum + tonumber(ARGV[base + AMOUNT]), tonumber(ARGV[base + WARN])
    grant(place, found)
    if warn > 0 and sum >= warn and first(place, found, 'w:') then warned[#warned + 1] = place - 1 end
    if sum > tonumber(ARGV[base + LIMIT]) and first(place, found, 'p:') then passed[#passed + 1] = place - 1 end
  end
end
return {#over == 0 and 'ok' or 'over', now, over, said, warned, passed}
"""
)
"""KEYS: epoch, generations, touched, a counter a charge. ARGV from 6: the prefix of counters' keys, eleven values a charge.

Answers `ok` or `over`, the server's time, the places that are over, and of each charge: bucket, its end, the sum before,
and the (bucket, sum) pairs of a sliding window; then the places that came to where they warn, and above their limit,
for the first time in this window (keys `w:COUNTER` and `p:COUNTER` are there until it is over).
"""

READ: Final = (
    _CHECK
    + _WAIT
    + _LOOK
    + """
local said = {}
for place = 1, #KEYS - 3 do
  local found = look(place)
  if not found then return {'skew', now} end
  said[place] = {tonumber(found.bucket), found.last, string.format('%.0f', found.sum), found.parts}
end
return {'ok', now, {}, said}
"""
)
"""KEYS and ARGV as in ``RESERVE``; adds nothing."""

NAMES: Final = (
    _CHECK
    + _WAIT
    + """
local names = {}
for _, name in ipairs(redis.call('SRANDMEMBER', KEYS[3], ARGV[7])) do
  if redis.call('EXISTS', ARGV[6] .. name) == 1 then names[#names + 1] = name
  else redis.call('SREM', KEYS[3], name) end
end
return {'ok', names}
"""
)
"""The counters that there are, so many at most. ARGV from 6: the prefix of counters' keys, the number."""

SETTLE: Final = (
    _CHECK
    + """
for place = 1, #KEYS - 3 do
  local key, bucket, delta = KEYS[3 + place], ARGV[5 + 2 * place], ARGV[6 + 2 * place]
  if redis.call('HEXISTS', key, bucket .. own) == 1 then
    redis.call('HINCRBY', key, bucket .. own, delta)
    if e[3] == '1' then redis.call('HINCRBY', key, bucket, delta) end
  end
end
return {'ok'}
"""
)
"""ARGV from 7: the bucket and what is added to it (less, if negative), for each counter."""

JOIN: Final = (
    _OPEN
    + """
local e, gens, touched, members, required, joined = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local run, member, gen, fresh, own, tag = ARGV[1], ARGV[2], ARGV[3], ARGV[4], '|' .. ARGV[5], ARGV[6]
local said, now = cjson.decode(ARGV[7]), tonumber(redis.call('TIME')[1])
local found = redis.call('HMGET', e, 'id', 'run', 'open')
local id, is_open = found[1], found[3] == '1'
if not id or found[2] ~= run then
  id, is_open = fresh, false
  redis.call('DEL', required, joined, gens)
  redis.call('HSET', e, 'id', id, 'run', run, 'open', '0', 'since', now)
end
if not is_open then
  for _, other in ipairs(said.alive) do redis.call('SADD', required, other) end
end
redis.call('SADD', required, member)
redis.call('SADD', joined, member)
redis.call('HSET', gens, member, gen)
redis.call('HSET', members, member, now)
local function whole(value) return string.format('%.0f', value) end
local function put(key, bucket, field, value)
  local before = tonumber(redis.call('HGET', key, bucket .. field) or '0')
  if value == before then return end
  redis.call('HSET', key, bucket .. field, whole(value))
  if is_open then redis.call('HINCRBY', key, bucket, whole(value - before)) end
end
local function sum(key, bucket, chain)
  local prefix, total, before = bucket .. '|' .. chain .. '|', 0, 0
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    if string.sub(fields[at], 1, #prefix) == prefix and fields[at] ~= bucket .. own then
      total = total + tonumber(fields[at + 1])
      if fields[at] == prefix then before = tonumber(fields[at + 1]) end
    end
  end
  return total, before
end
for _, counter in ipairs(said.counters) do
  local key = tag .. counter.name
  redis.call('SADD', touched, counter.name)
  for _, one in ipairs(counter.own) do put(key, whole(one[1]), own, one[2]) end
  for _, one in ipairs(counter.told) do
    local bucket = whole(one[1])
    local total, before = sum(key, bucket, one[2])
    if total < one[3] then put(key, bucket, '|' .. one[2] .. '|', before + one[3] - total) end
  end
  if not is_open then
    for _, one in ipairs(counter.seen) do
      local field = whole(one[1]) .. '|^'
      if tonumber(redis.call('HGET', key, field) or '0') < one[2] then redis.call('HSET', key, field, whole(one[2])) end
    end
  end
  redis.call('EXPIREAT', key, whole(counter.gone))
end
if not is_open then is_open = open_if_all(tag, e, required, joined, touched) end
return {id, is_open and 1 or 0}
"""
)
"""Say what one runtime knows: what it added in this run of its own (the truth), what ledgers tell of chains (at least
that), what it saw counters to be (only where a new epoch begins). KEYS: epoch, generations, touched, members, required,
joined. ARGV: run, member, generation, the id of an epoch if one has to begin, own sums' name, prefix, what it knows as JSON.
"""

BEAT: Final = (
    _OPEN
    + """
local e, gens, touched, members, required, joined = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local found, now = redis.call('HMGET', e, 'id', 'run', 'open', 'since'), tonumber(redis.call('TIME')[1])
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return {'lost'} end
redis.call('HSET', members, ARGV[3], now)
local alive, fields = {}, redis.call('HGETALL', members)
for at = 1, #fields, 2 do
  if tonumber(fields[at + 1]) >= now - tonumber(ARGV[5]) then alive[#alive + 1] = fields[at]
  else redis.call('HDEL', members, fields[at]) redis.call('HDEL', gens, fields[at]) end
end
local is_open = found[3] == '1'
if not is_open and now >= tonumber(found[4]) + tonumber(ARGV[6]) then
  for _, other in ipairs(redis.call('SDIFF', required, joined)) do
    if not redis.call('HGET', members, other) then redis.call('SREM', required, other) end
  end
  is_open = open_if_all(ARGV[4], e, required, joined, touched)
end
return {'ok', is_open and 1 or 0, alive}
"""
)
"""Be alive, and hear who is. ARGV: epoch, run, member, prefix, seconds that make one alive, and that a new epoch waits."""

LEAVE: Final = """
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return {'ok'}
"""
"""A runtime ends; what it spent stays."""
