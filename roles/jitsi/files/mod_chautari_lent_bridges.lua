-- Bridges that other regions lend own no room. Prosody makes whoever opens a room its owner, and owners can
-- remove others; after a restart, a lent bridge may be the first one in the room where bridges meet Jicofo.
local jid = require "util.jid";

local function is_lent(account)
	local name = jid.split(account);
	return name and name:sub(1, 5) == "peer-";
end

-- After Prosody's own hook, which has the priority -1.
module:hook("muc-room-pre-create", function (event)
	local account = jid.bare(event.stanza.attr.from);
	if is_lent(account) then
		assert(event.room:set_affiliation(true, account, "none"));
	end
end, -10);
