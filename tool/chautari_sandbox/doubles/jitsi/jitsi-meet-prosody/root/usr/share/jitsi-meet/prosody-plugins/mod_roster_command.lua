-- Double of `prosodyctl mod_roster_command subscribe CONTACT USER`: the contact hears when the user is there.
local split = require "util.jid".split;
local storage = require "core.storagemanager";

function module.command(arg)
	local contact, user = arg[2], arg[3];
	local node, host = split(user or "");
	if arg[1] ~= "subscribe" or not node then
		print("usage: prosodyctl mod_roster_command subscribe CONTACT USER");
		return 2;
	end
	assert(prosody.hosts[host], "no such host: " .. host);
	storage.initialize_host(host);
	local store = storage.open(host, "roster");
	local roster = store:get(node) or {};
	local item = roster[contact] or { groups = {} };
	if item.subscription == "from" or item.subscription == "both" then
		return 0;
	end
	item.subscription = item.subscription == "to" and "both" or "from";
	roster[contact] = item;
	assert(store:set(node, roster));
	return 0;
end
