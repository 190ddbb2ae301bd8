# shellcheck shell=bash disable=SC2034
# Double of upstream's library for /etc/bigbluebutton/bbb-conf/apply-config.sh.
BBB_WEB_CONFIG=/usr/share/bbb-web/WEB-INF/classes/bigbluebutton.properties
BBB_WEB_ETC_CONFIG=/etc/bigbluebutton/bbb-web.properties
HTML5_CONFIG=/usr/share/bigbluebutton/html5-client/private/config/settings.yml
IP=$(hostname -I | sed 's/ .*//g')
SERVER_URL=$(cat "$BBB_WEB_CONFIG" "$BBB_WEB_ETC_CONFIG" 2> /dev/null | sed -n 's/^bigbluebutton.web.serverURL=//p' | tail -n 1)
PROTOCOL=${SERVER_URL%%:*}
HOST=${SERVER_URL##*/}

enableHTML5ClientLog() {
    echo "  - the double keeps no log of clients"
}

enableUFWRules() {
    echo "  - Enable Firewall and opening 22/tcp, 80/tcp, 443/tcp and 16384:32768/udp"
    if command -v ufw > /dev/null; then
        ufw allow OpenSSH
        ufw allow "Nginx Full"
        ufw allow 16384:32768/udp
        ufw --force enable
    else
        echo "    the double installs no ufw"
    fi
}
