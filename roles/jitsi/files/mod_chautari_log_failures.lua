-- Write the address of each failed login to the log, for fail2ban. The name of the account is not needed, and a person who
-- makes a mistake may have typed the password there.
module:hook("authentication-failure", function (event)
	module:log("info", "Login failed from %s", event.session.ip or "an unknown address");
end);
