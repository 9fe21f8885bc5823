-- wrk: sends the requests of a file that bench-make-webhooks wrote, one after the other, and prints what happened as one line of JSON.
-- usage: wrk … -s webhooks.lua URL -- FILE
local requests, at, n = {}, 0, 0
function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local size = file:read("*l")
    if not size then break end
    n = n + 1
    requests[n] = file:read(tonumber(size))
  end
  file:close()
end
function request()
  at = at % n + 1
  return requests[at]
end
function done(summary, latency)
  io.write(string.format('JSON {"requests": %d, "seconds": %.6f, "not_2xx": %d, "socket_errors": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n', summary.requests, summary.duration / 1e6,
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
