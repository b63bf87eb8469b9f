/**
 * Words of HTTP, and such as only look like it. Strings hold one byte a character.
 */

export const TARGETS = [
  "/echo",
  "/echo?room=1",
  "http://127.0.0.1/echo",
  "/livez",
  "/readyz",
  "/",
  "/nowhere",
  "*",
  "",

  "/ECHO",
  "/%65cho",
  "//echo",
  "/echo/",
  "/echo#part",
  "/../echo",
  "/\u00e9\u00fc",
  "/%",
  "127.0.0.1:80",
  "http://",
  "/echo /echo",
  "/\u0000",
  "?",
  "#",
  "/__proto__",
  `/${"long".repeat(3000)}`
]
export const METHODS = [
  "GET",
  "GET",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "CONNECT",
  "PATCH",
  "PRI",
  "M-SEARCH",
  "get",
  "G ET",
  "",
  "\u0000",
  "GETGETGETGET"
]
export const VERSIONS = [
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "HTTP/1.1 ",
  "http/1.1",
  "HTTP/11",
  "HTP/1.1",
  ""
]

/** Names, and values that they may have, for better or worse. */
export const HEADERS = [
  "Connection: Upgrade",

  "Connection: close",
  "Connection: keep-alive",
  "Connection: Upgrade, close",
  "Connection: keep-alive, Upgrade",

  "Connection:",
  "Connection: upgrade, , ,",
  "Upgrade: h2c",
  "Upgrade: websocket, h2c",
  "Upgrade:",
  "Upgrade: WebSocket/13",

  "Sec-WebSocket-Version: 8",
  "Sec-WebSocket-Version: 13, 8",
  "Sec-WebSocket-Version: 013",
  "Sec-WebSocket-Version:",

  "Sec-WebSocket-Key: short",
  "Sec-WebSocket-Key:",
  `Sec-WebSocket-Key: ${"A".repeat(24)}`,
  "Sec-WebSocket-Key: \u00ff",

  "Sec-WebSocket-Protocol: chat",
  "Sec-WebSocket-Protocol: chat, chat",
  "Sec-WebSocket-Protocol: ,",
  "Sec-WebSocket-Protocol: a b",

  "Sec-WebSocket-Extensions: permessage-deflate",
  "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",

  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
  "Sec-WebSocket-Extensions: ;;;",

  'Sec-WebSocket-Extensions: x; y="',
  "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits",

  "Origin: http://127.0.0.1",
  "Origin: https://evil.example",
  "Origin: null",
  "Origin: \u00e9",
  "Origin: http://[::",
  "Origin:",

  "Host: other",
  "Host: a:b:c",
  "Host:",
  "Host: 127.0.0.1, other",
  "Expect: 100-continue",
  "Expect: nothing",

  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: -1",
  "Content-Length: 1e3",
  "Content-Length: 99999999999999999999",

  "Content-Length: 5, 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: identity",

  "Transfer-Encoding: chunked, chunked",
  "__proto__: x",
  "constructor: x",
  "Trailer: x",
  "TE: trailers",
  "Range: bytes=0-",

  "Content-Encoding: gzip",
  "Content-Type: multipart/form-data",
  "Cookie: a=b; =; ;",
  "Accept-Encoding: *",
  "Proxy-Connection: close"
]

/** What no header looks like. */
export const NO_HEADERS = [
  "no colon",
  ": no name",
  "space : x",
  " leading: x",
  "na\u0000me: x",
  "n: \u0000",
  "n: a\rb",
  "n: a\nb",
  "\u00e9: x",
  "",
  "x:\u007f"
]
