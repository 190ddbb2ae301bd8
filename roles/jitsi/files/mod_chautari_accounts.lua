-- Keeps a host's accounts as a JSON object on standard input says: `prosodyctl mod_chautari_accounts keep HOST`.
-- `list HOST` prints the names; `subscribe CONTACT USER` lets a component hear when an account is there.
-- Passwords never stand in arguments. Every change is printed as a line that begins with "changed: ".
local json = require "util.json";
local split = require "util.jid".split;
local storage = require "core.storagemanager";
local users = require "core.usermanager";

local function open(host)
	assert(prosody.hosts[host], "no such host: " .. tostring(host));
	storage.initialize_host(host);
	users.initialize_host(host);
end

local function names(host)
	local found = {};
	for name in users.users(host) do
		found[#found + 1] = name;
	end
	table.sort(found);
	return found;
end

local function changed(what, name, host)
	print(("changed: %s %s@%s"):format(what, name, host));
end

local commands = {};

function commands.keep(host)
	open(host);
	local wanted = assert(json.decode(io.read("*a")), "standard input holds no JSON");
	for _, name in ipairs(names(host)) do
		if wanted[name] == nil then
			assert(users.delete_user(name, host));
			changed("removed", name, host);
		end
	end
	for name, password in pairs(wanted) do
		if not users.user_exists(name, host) then
			assert(users.create_user(name, password, host));
			changed("made", name, host);
		elseif not users.test_password(name, host, password) then
			assert(users.set_password(name, password, host));
			changed("gave a new password to", name, host);
		end
	end
end

function commands.list(host)
	open(host);
	for _, name in ipairs(names(host)) do
		print(name);
	end
end

function commands.subscribe(contact, user)
	local name, host = split(user);
	open(host);
	local store = storage.open(host, "roster");
	local roster = store:get(name) or {};
	local item = roster[contact] or { groups = {} };
	if item.subscription ~= "from" and item.subscription ~= "both" then
		item.subscription = item.subscription == "to" and "both" or "from";
		roster[contact] = item;
		assert(store:set(name, roster));
		changed("subscribed " .. contact .. " to", name, host);
	end
end

function module.command(arg)
	local command = commands[arg[1]];
	if not command or not arg[2] then
		print("usage: prosodyctl mod_chautari_accounts keep HOST | list HOST | subscribe CONTACT USER");
		return 2;
	end
	command(arg[2], arg[3]);
	return 0;
end
