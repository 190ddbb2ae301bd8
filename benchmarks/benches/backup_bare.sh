#!/bin/sh
# backup_bare.sh ACTION [ARCHIVE]: a backup and a restore as a person with borg would do them.
# It runs on a node, with the same key, server and options as the node's own backup.
set -eu
action=$1 archive=${2:-}
bare=/srv/bare
own=/etc/chautari/backup

settings() {
    python3 -c "import json; s = json.load(open('$own/settings.json')); $1"
}

repository=$(settings "print(s['targets'][0]['repository'].rsplit('/', 1)[0] + '/bare')")
export BORG_REPO="$repository" BORG_BASE_DIR=$bare/borg BORG_PASSPHRASE=bare
export BORG_RSH="ssh -i $own/login_key -o UserKnownHostsFile=$own/known_hosts -o BatchMode=yes"
mkdir -p $bare/dump

case $action in
init)
    [ -e $bare/made ] || borg init --make-parent-dirs --encryption repokey-blake2 2>/dev/null
    touch $bare/made
    ;;
create)
    runuser -u postgres -- pg_dump -Fc nextcloud >$bare/dump/nextcloud.dump
    settings "print(*(f['path'] for t in s['states'] for f in t['folders']), sep='\n')" |
        while read -r folder; do
            [ ! -d "$folder" ] || echo "$folder"
        done >$bare/folders
    echo $bare/dump >>$bare/folders
    xargs -d '\n' borg create --chunker-params buzhash,16,20,18,4095 \
        --compression auto,zstd,3 "::$archive" <$bare/folders
    borg prune --keep-daily 7 --keep-weekly 4 --keep-monthly 6
    borg compact
    ;;
restore)
    rm -rf $bare/restored
    mkdir $bare/restored
    cd $bare/restored
    borg extract "::$(borg list --last 1 --short)"
    runuser -u postgres -- createdb bare
    runuser -u postgres -- pg_restore --no-owner -d bare <.$bare/dump/nextcloud.dump
    ;;
clean)
    runuser -u postgres -- dropdb --if-exists bare
    rm -rf $bare/restored
    ;;
esac
