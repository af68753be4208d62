-- Asks Sallyport about a request.
local http = require "socket.http"
local ltn12 = require "ltn12"
http.TIMEOUT = 10

local identity = { "Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Sallyport-Assertion" }
local told = { "Cookie", "Authorization", "Accept", "Sec-Fetch-Dest", "User-Agent" }
local passed = { "Location", "Set-Cookie", "WWW-Authenticate", "Cache-Control", "Content-Security-Policy" }

function authorize(r)
    local set = r.subprocess_env
    local path = r.unparsed_uri:match("^/.*$")
    if not path then return 400 end
    if r.hostname ~= set["SALLYPORT_HOST"] then return 421 end
    local headers = {
        ["X-Original-Method"] = r.method,
        ["X-Original-URL"] = set["SALLYPORT_ORIGIN"] .. path,
        ["X-Forwarded-For"] = r.useragent_ip,
    }
    for _, name in ipairs(told) do headers[name] = r.headers_in[name] end
    local body = {}
    local _, status, answer = http.request {
        url = "http://" .. set["SALLYPORT_SERVER"] .. "/api/authz/auth-request",
        headers = headers, redirect = false, sink = ltn12.sink.table(body),
    }
    if type(status) ~= "number" then return 502 end
    if status == 200 then
        for _, name in ipairs(identity) do r.headers_in[name] = answer[name:lower()] or "" end
        return apache2.OK
    end
    for _, name in ipairs(passed) do
        if answer[name:lower()] then r.err_headers_out[name] = answer[name:lower()] end
    end
    if status == 401 and answer["location"] then return 302 end
    r.status = status
    r.content_type = answer["content-type"] or "text/plain"
    r:write(table.concat(body))
    return apache2.DONE
end
