"""Work that the server does in one go: two scripts in Lua, each one command for the client in place of a dozen."""

import hashlib
import json
from typing import Any, Final

from kling_contracts.named_tuple import NamedTuple
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
  local table = place[1]
  texts[index] = redis.call('HGET', prefix .. 'rows:' .. table, place[2])
  if not lengths[table] then
    lengths[table] = redis.call('HLEN', prefix .. 'rows:' .. table)
    oldest[table] = redis.call('ZRANGE', prefix .. 'order:' .. table, 0, 0)[1]
  end
end
return cjson.encode({redis.call('HGETALL', prefix .. 'meta'), texts, lengths, oldest})
""")
"""Returns rows of an account, its numbers, and of each table that is asked for the length and the oldest key, as JSON.

Arguments: a token, the ms for which it locks the account, and tables and keys as JSON. It returns nothing where another
token has locked the account; with an empty token it locks nothing and waits for nobody.
"""

WRITE: Final = Script.of("""
local lock, token = KEYS[1] .. 'lock', ARGV[1]
if redis.call('GET', lock) ~= token then
  return 0
end
local commands = cjson.decode(ARGV[2])
if #commands > 0 then
  redis.call('SET', lock, token)
end
for _, command in ipairs(commands) do
  redis.call(unpack(command))
end
redis.call('DEL', lock)
return 1
""")
"""Carries out commands, given as JSON, where the token still locks the account, and unlocks it; returns 0 where not.

A server whose memory is full refuses to set the lock before anything else is written. No command may have more than
`MAX_WORDS` words.
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
