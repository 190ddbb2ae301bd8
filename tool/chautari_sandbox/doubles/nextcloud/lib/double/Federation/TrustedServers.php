<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Database;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Jobs;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Secrets;

/** The table trusted_servers, in which a server is found by its address without the protocol. */
final class TrustedServers
{
    public const OK = 1;
    public const PENDING = 2;
    public const FAILURE = 3;
    public const ACCESS_REVOKED = 4;

    private readonly Database $database;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
    }

    /** @return list<array<string, mixed>> */
    public function all(): array
    {
        return $this->database->rows('SELECT * FROM *PREFIX*trusted_servers ORDER BY id');
    }

    /** @return array<string, mixed>|null */
    public function find(string $url): ?array
    {
        return $this->database->rows('SELECT * FROM *PREFIX*trusted_servers WHERE url_hash = ?', [self::hash($url)])[0] ?? null;
    }

    public function trusts(string $url): bool
    {
        return $this->find($url) !== null;
    }

    /** Records the server with a token of its own, and the job that offers this token to it. */
    public function add(string $url): int
    {
        $url = preg_match('~^https?://~', $url) ? $url : "https://$url";
        $token = Secrets::word(16, Secrets::WIDE_ALPHABET);
        $id = $this->database->value(
            'INSERT INTO *PREFIX*trusted_servers (url, url_hash, token, status) VALUES (?, ?, ?, ?) RETURNING id',
            [rtrim($url, '/'), self::hash($url), $token, self::PENDING],
        );
        $argument = ['url' => $url, 'token' => $token, 'created' => time()];
        $this->kernel->get(Jobs::class)->add(Handshake::REQUEST, $argument);
        return (int)$id;
    }

    /** Forgets the server and its jobs; false when there is none of this number. */
    public function remove(int $id): bool
    {
        $url = $this->database->value('DELETE FROM *PREFIX*trusted_servers WHERE id = ? RETURNING url', [$id]);
        if ($url === null) {
            return false;
        }
        $jobs = $this->kernel->get(Jobs::class);
        foreach ([...$jobs->list(Handshake::REQUEST), ...$jobs->list(Handshake::FETCH)] as $job) {
            if ((json_decode((string)$job['argument'], true)['url'] ?? null) === $url) {
                $jobs->remove($job);
            }
        }
        return true;
    }

    public function setSecret(string $url, #[\SensitiveParameter] string $secret): void
    {
        $this->database->rows(
            'UPDATE *PREFIX*trusted_servers SET shared_secret = ? WHERE url_hash = ?',
            [$secret, self::hash($url)],
        );
    }

    public function setStatus(string $url, int $status, ?string $syncToken = null): void
    {
        $this->database->rows(
            'UPDATE *PREFIX*trusted_servers SET status = ?, sync_token = coalesce(?, sync_token) WHERE url_hash = ?',
            [$status, $syncToken, self::hash($url)],
        );
    }

    /** Whether a server of the list shares this secret, so that it may read the accounts as `system`. */
    public function secretIsKnown(#[\SensitiveParameter] string $secret): bool
    {
        return $secret !== '' && $this->database->value(
            'SELECT 1 FROM *PREFIX*trusted_servers WHERE shared_secret = ?',
            [$secret],
        ) !== null;
    }

    public function isNextcloud(string $url): bool
    {
        try {
            $answer = $this->kernel->get(Client::class)->request('GET', "$url/status.php", ['timeout' => 3]);
        } catch (Unreachable $error) {
            $this->kernel->log->write(Log::ERROR, "No Nextcloud server. {$error->getMessage()}", 'federation');
            return false;
        }
        $version = $answer->status === 200 ? ($answer->json()['version'] ?? null) : null;
        return is_string($version) && version_compare($version, '9.0.0', '>=');
    }

    private static function hash(string $url): string
    {
        $name = preg_replace(['~^https?://~', '~/+~'], ['', '/'], $url);
        return sha1(trim((string)$name, '/'));
    }
}
