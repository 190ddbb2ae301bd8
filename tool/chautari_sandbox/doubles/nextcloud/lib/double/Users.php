<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Accounts: passwords in `users`, the rest in `accounts` and `preferences`. */
final class Users
{
    private readonly Database $database;
    private readonly Preferences $preferences;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
        $this->preferences = $kernel->get(Preferences::class);
    }

    /** The account's name as it was written when it was made; null when there is none. */
    public function find(string $uid): ?string
    {
        $found = $this->database->value('SELECT uid FROM *PREFIX*users WHERE uid_lower = ?', [mb_strtolower($uid)]);
        return $found === null ? null : (string)$found;
    }

    public function findByMail(string $address): ?string
    {
        $uids = $this->database->column(
            "SELECT userid FROM *PREFIX*preferences WHERE appid = 'settings' AND configkey = 'email'
            AND lower(configvalue) = ?",
            [mb_strtolower($address)],
        );
        return count($uids) === 1 ? (string)$uids[0] : null;
    }

    public function create(string $uid, #[\SensitiveParameter] string $password): void
    {
        if (preg_match('/[^a-zA-Z0-9 _.@\-\']/', $uid) || trim($uid) !== $uid || $uid === '') {
            throw new HintException(
                'Only the following characters are allowed in an Login: '
                . '"a-z", "A-Z", "0-9", spaces and "_.@-\'"'
            );
        }
        $this->requireGoodPassword($password);
        $this->database->rows(
            'INSERT INTO *PREFIX*users (uid, uid_lower, password) VALUES (?, ?, ?)',
            [$uid, mb_strtolower($uid), Secrets::hash($password)],
        );
        $this->writeAccount($uid);
    }

    public function setPassword(string $uid, #[\SensitiveParameter] string $password): void
    {
        $this->requireGoodPassword($password);
        $this->database->rows(
            'UPDATE *PREFIX*users SET password = ? WHERE uid = ?',
            [Secrets::hash($password), $uid],
        );
    }

    public function verify(string $login, #[\SensitiveParameter] string $password): ?string
    {
        $uid = $this->find($login) ?? $this->findByMail($login);
        if ($uid === null || !$this->enabled($uid)) {
            return null;
        }
        $stored = $this->database->value('SELECT password FROM *PREFIX*users WHERE uid = ?', [$uid]);
        return Secrets::verify($password, (string)$stored) ? $uid : null;
    }

    /** As `verify`, for programs: they may also use an app password of the account. */
    public function verifyProgram(string $login, #[\SensitiveParameter] string $password): ?string
    {
        $uid = $this->kernel->get(AppPasswords::class)->account($password);
        $same = $uid !== null && $uid === ($this->find($login) ?? $this->findByMail($login)) && $this->enabled($uid);
        return $same ? $uid : $this->verify($login, $password);
    }

    public function recordLogin(string $uid): void
    {
        $now = (string)time();
        if ($this->preferences->get($uid, 'login', 'firstLogin') === null) {
            $this->preferences->set($uid, 'login', 'firstLogin', $now);
        }
        $this->preferences->set($uid, 'login', 'lastLogin', $now);
    }

    public function delete(string $uid): void
    {
        $this->kernel->get(Files::class)->forget($uid);
        foreach (['users' => 'uid', 'accounts' => 'uid', 'group_user' => 'uid', 'authtoken' => 'uid', 'preferences' => 'userid'] as $table => $column) {
            $this->database->rows("DELETE FROM *PREFIX*$table WHERE $column = ?", [$uid]);
        }
    }

    public function displayName(string $uid): string
    {
        $name = $this->database->value('SELECT displayname FROM *PREFIX*users WHERE uid = ?', [$uid]);
        return (string)($name ?: $uid);
    }

    public function setDisplayName(string $uid, string $name): void
    {
        $this->database->rows('UPDATE *PREFIX*users SET displayname = ? WHERE uid = ?', [$name, $uid]);
        $this->writeAccount($uid);
    }

    public function email(string $uid): string
    {
        return (string)$this->preferences->get($uid, 'settings', 'email');
    }

    public function setEmail(string $uid, string $address): void
    {
        $address = mb_strtolower(trim($address));
        if ($address === '') {
            $this->preferences->delete($uid, 'settings', 'email');
        } else {
            $this->preferences->set($uid, 'settings', 'email', $address);
        }
        $this->writeAccount($uid);
    }

    public function enabled(string $uid): bool
    {
        return $this->preferences->get($uid, 'core', 'enabled') !== 'false';
    }

    /** The quota as it is shown: "10 MB", "none". */
    public function quota(string $uid): string
    {
        $quota = $this->preferences->get($uid, 'files', 'quota') ?? 'default';
        if ($quota === 'default') {
            return $this->kernel->get(AppConfig::class)->get('files', 'default_quota') ?: 'none';
        }
        return $quota;
    }

    /** @return list<string> */
    public function list(int $limit = 500, int $offset = 0): array
    {
        return $this->database->column(
            'SELECT uid FROM *PREFIX*users ORDER BY uid_lower LIMIT ? OFFSET ?',
            [$limit, $offset],
        );
    }

    private function requireGoodPassword(#[\SensitiveParameter] string $password): void
    {
        if ($password === '' || strlen($password) > 469) {
            throw new HintException('A valid password must be provided');
        }
        $minimum = (int)($this->kernel->get(AppConfig::class)->get('password_policy', 'minLength') ?? 10);
        if ($this->kernel->get(Apps::class)->enabled('password_policy') && mb_strlen($password) < $minimum) {
            throw new HintException("Password needs to be at least $minimum characters long.");
        }
    }

    private function writeAccount(string $uid): void
    {
        $data = json_encode([
            'displayname' => ['value' => $this->displayName($uid), 'scope' => 'v2-federated', 'verified' => '0'],
            'email' => ['value' => $this->email($uid), 'scope' => 'v2-federated', 'verified' => '0'],
        ]);
        $this->database->rows(
            'INSERT INTO *PREFIX*accounts (uid, data) VALUES (?, ?)
            ON CONFLICT (uid) DO UPDATE SET data = excluded.data',
            [$uid, $data],
        );
    }
}
