"""Reads settings of Prosody as Prosody does: by running them."""

import json
import subprocess
from pathlib import Path
from typing import Any

# Prints each host with its kind, its modules and its options. Names are strings without quotes.
READER = r"""
local order, current = {}, { name = "", kind = "global", options = {} }
order[1] = current
local function begin(name, kind)
	current = { name = name, kind = kind, options = {} }
	order[#order + 1] = current
end
local function set(_, key, value) current.options[key] = value end
local env = setmetatable({}, { __newindex = set })
rawset(env, "VirtualHost", function(name) begin(name, "host") end)
rawset(env, "Component", function(name)
	begin(name, "component")
	return function(module) current.component = module end
end)
assert(loadfile(arg[1], "t", env))()
local function show(value)
	if type(value) ~= "table" then
		return type(value) == "string" and ("%q"):format(value) or tostring(value)
	end
	local items, list = {}, #value > 0 or next(value) == nil
	for key, item in pairs(value) do
		items[#items + 1] = list and show(item) or ("%q:%s"):format(key, show(item))
	end
	table.sort(items)
	return (list and "[%s]" or "{%s}"):format(table.concat(items, ","))
end
print(show(order))
"""


def read_settings(file: Path) -> dict[str, dict[str, Any]]:
    """Return each host's kind, component and options; the name of the global part is empty."""
    done = subprocess.run(
        ["lua5.4", "-", file], input=READER, capture_output=True, text=True, check=True
    )
    hosts = json.loads(done.stdout)
    return {host["name"]: {**host, "options": host["options"] or {}} for host in hosts}


def modules_of(host: dict[str, Any]) -> set[str]:
    """Return the modules that a host loads, its component's own among them."""
    own = {host["component"]} if host.get("component") else set()
    return {*host["options"].get("modules_enabled", []), *own}
