-- Asks Sallyport about a request, with core.httpclient of HAProxy 2.5 or newer.
local identity = { "remote-user", "remote-name", "remote-email", "remote-groups", "sallyport-assertion" }
local told = { cookie = "; ", authorization = ", ", accept = ", ", ["sec-fetch-dest"] = ", ", ["user-agent"] = ", " }
local hop = { connection = true, ["content-length"] = true, ["transfer-encoding"] = true, date = true }

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(headers) do
        for _, value in pairs(values) do
            if not hop[name] then reply:add_header(name, value) end
        end
    end
    if txn.f:method() ~= "HEAD" then reply:set_body(body) end
    txn:done(reply)
end

core.register_action("sallyport", { "http-req" }, function(txn, server)
    local request = txn.http:req_get_headers()
    local ask = {
        ["x-original-method"] = { txn.f:method() },
        ["x-original-url"] = { txn:get_var("txn.sallyport_origin") .. txn.f:pathq() },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    for name, between in pairs(told) do
        if request[name] then
            local values = {}
            for i = 0, #request[name] do values[i + 1] = request[name][i] end
            ask[name] = { table.concat(values, between) }
        end
    end
    local answer = core.httpclient():get({
        url = "http://" .. server .. "/api/authz/auth-request", headers = ask, timeout = 10000,
    })
    if not answer or not answer.status or answer.status == 0 then
        return refuse(txn, 502, {}, "Sallyport does not answer.")
    end
    local headers = answer.headers or {}
    if answer.status == 200 then
        for _, name in ipairs(identity) do
            txn.http:req_set_header(name, headers[name] and headers[name][0] or "")
        end
        return
    end
    if answer.status == 401 and headers["location"] then
        return refuse(txn, 302, headers, "")
    end
    refuse(txn, answer.status, headers, answer.body or "")
end, 1)
