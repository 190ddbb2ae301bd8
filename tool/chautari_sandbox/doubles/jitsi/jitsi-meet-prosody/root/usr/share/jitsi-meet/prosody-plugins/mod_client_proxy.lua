-- Double of upstream's proxy in front of the focus: requests reach a session of the target with the
-- sender's address in the resource, answers go back the same way.
local split = require "util.jid".split;
local bare = require "util.jid".bare;
local st = require "util.stanza";

local target = module:get_option_string("target_address");
local sessions = {};

local function of_target(stanza)
	local _, _, resource = split(stanza.attr.from);
	if stanza.name == "presence" then
		if not resource then
			return;
		elseif stanza.attr.type == nil then
			sessions[resource] = true;
		elseif stanza.attr.type == "unavailable" then
			sessions[resource] = nil;
		end
		return;
	end
	local _, _, sender = split(stanza.attr.to);
	if stanza.name == "iq" and sender and (stanza.attr.type == "result" or stanza.attr.type == "error") then
		stanza.attr.from, stanza.attr.to = module.host, sender;
		module:send(stanza);
	end
end

local function of_client(origin, stanza)
	if stanza.name ~= "iq" or (stanza.attr.type ~= "get" and stanza.attr.type ~= "set") then
		return;
	end
	local resource = next(sessions);
	if not resource then
		module:log("warn", "the focus is not there");
		origin.send(st.error_reply(stanza, "cancel", "service-unavailable"));
		return;
	end
	stanza.attr.from, stanza.attr.to = module.host .. "/" .. stanza.attr.from, target .. "/" .. resource;
	module:send(stanza);
end

local function handle(event)
	if bare(event.stanza.attr.from) == target then
		of_target(event.stanza);
	else
		of_client(event.origin, event.stanza);
	end
	return true;
end

for _, kind in ipairs { "iq", "message", "presence" } do
	for _, form in ipairs { "host", "bare", "full" } do
		module:hook(kind .. "/" .. form, handle, -1);
	end
end
module:send(st.presence { type = "subscribe", to = target, from = module.host });
