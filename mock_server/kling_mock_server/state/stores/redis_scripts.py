"""Work that the server does in one go: two scripts in Lua, each one command for the client in place of a dozen."""

import hashlib
import json
from typing import Any, Final, NamedTuple

from kling_mock_server.state.stores.text import name_of


class Script(NamedTuple):
    """A script, and the digest by which the server knows one that it has seen."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Return a script with its digest."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


ASK: Final = Script.of("""
local prefix, token = KEYS[1], ARGV[1]
if token ~= '' and not redis.call('SET', prefix .. 'lock', token, 'NX', 'PX', ARGV[2]) then
  return false
end
local texts, lengths, oldest = {}, {}, {}
for index, place in ipairs(cjson.decode(ARGV[3])) do
  local table, rows = place[1], prefix .. 'rows:' .. place[1]
  texts[index] = redis.call('HGET', rows, place[2])
  if not lengths[table] then
    lengths[table] = redis.call('HLEN', rows)
    if place[3] > 0 and lengths[table] >= place[3] then
      local key = redis.call('ZRANGE', prefix .. 'order:' .. table, 0, 0)[1]
      oldest[table] = key and {key, redis.call('HGET', rows, key)}
    end
  end
end
return cjson.encode({redis.call('HGETALL', prefix .. 'meta'), texts, lengths, oldest})
""")
"""Returns rows of an account, its numbers, and of each table that is asked for the length, as JSON; and the oldest row
of one that is as long as said.

Arguments: a token, the ms for which it locks the account, and tables, keys and such lengths (0: any) as JSON. It
returns nothing where another token has locked the account; with an empty token it locks nothing and waits for nobody.
"""

WRITE: Final = Script.of("""
local prefix, token = KEYS[1], ARGV[1]
local lock = prefix .. 'lock'
local holder = redis.call('GET', lock)
if ARGV[3] == '' then
  if holder ~= token then
    return 0
  end
else
  if holder or redis.call('HGET', prefix .. 'meta', 'version') ~= ARGV[3] then
    return 0
  end
  for _, new in ipairs(cjson.decode(ARGV[4])) do
    local rows = prefix .. 'rows:' .. new[1]
    if redis.call('HLEN', rows) ~= new[3] or redis.call('HEXISTS', rows, new[2]) == 1 then
      return 0
    end
  end
end
local commands = cjson.decode(ARGV[2])
for _, command in ipairs(commands) do
  if command[1] == 'DROP' and redis.call('ZCARD', command[2]) ~= redis.call('HLEN', command[3]) then
    return -1
  end
end
if #commands > 0 then
  redis.call('SET', lock, token)
end
local text = 4
for _, command in ipairs(commands) do
  if command[1] == 'PUT' then
    for index = 4, #command, 2 do
      text = text + 1
      redis.call('HSET', command[2], command[index], ARGV[text])
      if command[index + 1] > 0 then
        redis.call('ZADD', command[3], command[index + 1], command[index])
      end
    end
  elseif command[1] == 'DROP' then
    local gone = redis.call('ZRANGE', command[2], 0, command[4] - 1)
    redis.call('ZREM', command[2], unpack(gone))
    redis.call('HDEL', command[3], unpack(gone))
  else
    redis.call(unpack(command))
  end
end
redis.call('DEL', lock)
return 1
""")
"""Carries out commands, given as JSON, and unlocks the account; returns 0, and does nothing, where it may not.

Arguments: the token of a change, commands, a version, new rows as JSON, and the texts of rows. With an empty version it
may write where the token still locks the account. Otherwise it may where nobody has locked the account, that is its
version, and the new rows, each with its table, key and the length of the table, are in fact new: all that was read
before holds.

A server whose memory is full refuses to set the lock before anything else is written. Two commands are the script's
own. `PUT` has the keys for the rows of a table and their order, then each row's key and number, 0 for one that is
replaced; the texts come in the same order. `DROP` takes the oldest rows out of the keys for their order and the rows;
-1 is returned, and nothing done, where one of these was lost. No other command may have more than `MAX_WORDS` words.
"""

MAX_WORDS: Final = 4000
"""About half of what Lua can pass to a function."""

# Keys of rows are bytes, as they may hold what no UTF-8 does; the server takes them out of the JSON as they were.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=name_of).encode


def argument(value: Any) -> bytes:
    """Return lists of texts, bytes and numbers as the JSON that a script reads."""
    return _encode(value).encode("utf-8", "surrogatepass")


def reply_of(text: bytes) -> Any:
    """Return what a script has replied as JSON."""
    return json.loads(text.decode("utf-8", "surrogatepass"))
