<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** The tables, and what `occ db:add-missing-*` adds to them. */
final class Schema
{
    private const TABLES = [
        'appconfig' => "appid varchar(32) NOT NULL DEFAULT '', configkey varchar(64) NOT NULL DEFAULT '',
            configvalue text, type integer NOT NULL DEFAULT 2, lazy smallint NOT NULL DEFAULT 0,
            PRIMARY KEY (appid, configkey)",
        'preferences' => "userid varchar(64) NOT NULL DEFAULT '', appid varchar(32) NOT NULL DEFAULT '',
            configkey varchar(64) NOT NULL DEFAULT '', configvalue text, PRIMARY KEY (userid, appid, configkey)",
        'users' => "uid varchar(64) PRIMARY KEY, displayname varchar(64), password varchar(255) NOT NULL DEFAULT '',
            uid_lower varchar(64) DEFAULT ''",
        'accounts' => "uid varchar(64) PRIMARY KEY, data text NOT NULL DEFAULT ''",
        'accounts_data' => 'id bigserial PRIMARY KEY, uid varchar(64) NOT NULL, name varchar(64) NOT NULL, value text',
        'groups' => "gid varchar(64) PRIMARY KEY, displayname varchar(255) NOT NULL DEFAULT 'name'",
        'group_user' => 'gid varchar(64) NOT NULL, uid varchar(64) NOT NULL, PRIMARY KEY (gid, uid)',
        'storages' => 'numeric_id bigserial PRIMARY KEY, id varchar(64) UNIQUE, available integer NOT NULL DEFAULT 1,
            last_checked integer',
        'mounts' => 'id bigserial PRIMARY KEY, storage_id bigint NOT NULL, root_id bigint NOT NULL,
            user_id varchar(64) NOT NULL, mount_point varchar(4000) NOT NULL',
        'mimetypes' => "id bigserial PRIMARY KEY, mimetype varchar(255) NOT NULL DEFAULT '' UNIQUE",
        'filecache' => "fileid bigserial PRIMARY KEY, storage bigint NOT NULL DEFAULT 0, path varchar(4000),
            path_hash varchar(32) NOT NULL DEFAULT '', parent bigint NOT NULL DEFAULT 0, name varchar(250),
            mimetype bigint NOT NULL DEFAULT 0, mimepart bigint NOT NULL DEFAULT 0, size bigint NOT NULL DEFAULT 0,
            mtime bigint NOT NULL DEFAULT 0, storage_mtime bigint NOT NULL DEFAULT 0,
            encrypted integer NOT NULL DEFAULT 0, unencrypted_size bigint NOT NULL DEFAULT 0, etag varchar(40),
            permissions integer DEFAULT 0, checksum varchar(255), UNIQUE (storage, path_hash)",
        'jobs' => "id bigserial PRIMARY KEY, class varchar(255) NOT NULL DEFAULT '',
            argument varchar(4000) NOT NULL DEFAULT '', last_run integer DEFAULT 0, last_checked integer DEFAULT 0,
            reserved_at integer DEFAULT 0, execution_duration integer NOT NULL DEFAULT 0, time_sensitive smallint
            NOT NULL DEFAULT 1",
        'authtoken' => "id bigserial PRIMARY KEY, uid varchar(64) NOT NULL DEFAULT '', token varchar(200) UNIQUE,
            name text, last_activity integer NOT NULL DEFAULT 0",
        'file_locks' => 'id bigserial PRIMARY KEY, key varchar(64) NOT NULL UNIQUE, ttl integer NOT NULL DEFAULT -1',
        'properties' => 'id bigserial PRIMARY KEY, userid varchar(64) NOT NULL, propertypath varchar(255) NOT NULL,
            propertyname varchar(255) NOT NULL, propertyvalue text NOT NULL',
        'share' => 'id bigserial PRIMARY KEY, share_type smallint NOT NULL DEFAULT 0, share_with varchar(255),
            uid_owner varchar(64), file_source bigint, permissions smallint NOT NULL DEFAULT 0, stime bigint',
        'trusted_servers' => 'id serial PRIMARY KEY, url varchar(512) NOT NULL, url_hash varchar(255) NOT NULL UNIQUE,
            token varchar(128), shared_secret varchar(256), status integer NOT NULL DEFAULT 2, sync_token varchar(512)',
        'share_external' => "id bigserial PRIMARY KEY, parent bigint DEFAULT -1, share_type integer, remote varchar(512) NOT NULL,
            remote_id varchar(255) DEFAULT '', share_token varchar(64) NOT NULL, password varchar(64), name varchar(4000) NOT NULL,
            owner varchar(64) NOT NULL, \"user\" varchar(64) NOT NULL, mountpoint varchar(4000) NOT NULL,
            mountpoint_hash varchar(32) NOT NULL, accepted integer NOT NULL DEFAULT 0, UNIQUE (\"user\", mountpoint_hash)",
        'sec_signatory' => "id bigserial PRIMARY KEY, key_id_sum varchar(127) NOT NULL UNIQUE, key_id varchar(512) NOT NULL,
            host varchar(512) NOT NULL, provider_id varchar(31) NOT NULL DEFAULT 'ocm', public_key text,
            creation integer NOT NULL DEFAULT 0, last_updated integer NOT NULL DEFAULT 0",
        'addressbooks' => "id bigserial PRIMARY KEY, principaluri varchar(255), uri varchar(255), displayname varchar(255),
            synctoken integer NOT NULL DEFAULT 1, UNIQUE (principaluri, uri)",
        'cards' => 'id bigserial PRIMARY KEY, addressbookid bigint NOT NULL DEFAULT 0, uri varchar(255), carddata text,
            lastmodified bigint, etag varchar(32), UNIQUE (addressbookid, uri)',
        'addressbookchanges' => "id bigserial PRIMARY KEY, uri varchar(255), synctoken integer NOT NULL DEFAULT 1,
            addressbookid bigint NOT NULL, operation smallint NOT NULL",
        'migrations' => 'app varchar(255) NOT NULL, version varchar(255) NOT NULL, PRIMARY KEY (app, version)',
    ];

    private const INDICES = [
        'fs_parent_name_hash' => ['filecache', 'parent, name'],
        'fs_mtime' => ['filecache', 'mtime'],
        'job_class_index' => ['jobs', 'class'],
        'job_lastcheck_reserved' => ['jobs', 'last_checked, reserved_at'],
        'group_user_uid' => ['group_user', 'uid'],
        'user_uid_lower' => ['users', 'uid_lower'],
    ];

    /** Made by `occ db:add-missing-indices` only, so that a new installation lacks them as upstream's does. */
    private const LATE_INDICES = [
        'preferences_app_key' => ['preferences', 'appid, configkey'],
        'properties_path_index' => ['properties', 'userid, propertypath'],
    ];

    private const COLUMNS = [
        'type' => ['authtoken', 'type', 'smallint NOT NULL DEFAULT 0'],
        'note' => ['share', 'note', 'text'],
        'uid_initiator' => ['share', 'uid_initiator', 'varchar(64)'],
        'item_type' => ['share', 'item_type', 'varchar(64)'],
        'token' => ['share', 'token', 'varchar(32)'],
    ];

    private readonly Database $database;

    public function __construct(Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    public function create(): void
    {
        foreach (self::TABLES as $name => $columns) {
            $this->database->rows("CREATE TABLE IF NOT EXISTS *PREFIX*$name ($columns)");
        }
        foreach (self::INDICES as $name => [$table, $columns]) {
            $this->database->rows($this->indexStatement($name, $table, $columns));
        }
        foreach (self::COLUMNS as [$table, $column, $type]) {
            $this->database->rows("ALTER TABLE *PREFIX*$table ADD COLUMN IF NOT EXISTS $column $type");
        }
    }

    /** @return array<string, array{string, string}> Missing indices: name => [table, statement]. */
    public function missingIndices(): array
    {
        $present = $this->database->column(
            'SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()'
        );
        $missing = [];
        foreach (self::INDICES + self::LATE_INDICES as $name => [$table, $columns]) {
            if (!in_array($name, $present, true)) {
                $missing[$name] = [$this->database->prefix() . $table, $this->indexStatement($name, $table, $columns)];
            }
        }
        return $missing;
    }

    /** @return array<string, array{string, string}> Missing columns: name => [table, statement]. */
    public function missingColumns(): array
    {
        $missing = [];
        foreach (self::COLUMNS as [$table, $column, $type]) {
            $found = $this->database->value(
                'SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema()
                AND table_name = ? AND column_name = ?',
                [$this->database->prefix() . $table, $column],
            );
            if ($found === null) {
                $name = $this->database->prefix() . $table;
                $missing[$column] = [$name, "ALTER TABLE $name ADD COLUMN $column $type"];
            }
        }
        return $missing;
    }

    public function apply(string $statement): void
    {
        $this->database->rows($statement);
    }

    private function indexStatement(string $name, string $table, string $columns): string
    {
        return "CREATE INDEX IF NOT EXISTS $name ON {$this->database->prefix()}$table ($columns)";
    }
}
