<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Database;
use NextcloudDouble\Http\Answer;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;

/** Copies the accounts of the trusted servers into address books, one for each server. */
final class AddressBooks
{
    private const PRINCIPAL = 'principals/system/system';
    private const PATH = 'remote.php/dav/addressbooks/system/system/system';
    private const UNAUTHORIZED = 401;

    private readonly Database $database;
    private readonly TrustedServers $servers;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->database = $kernel->get(Database::class);
        $this->servers = $kernel->get(TrustedServers::class);
    }

    /** @param (\Closure(string, ?\Throwable): void)|null $report Hears of each server, and of each failure. */
    public function sync(bool $full, ?\Closure $report = null): void
    {
        foreach ($this->servers->all() as $server) {
            $report && $report($server['url'], null);
            if ($server['shared_secret'] === null) {
                continue;
            }
            try {
                $token = $this->copy($server, $full ? '' : (string)$server['sync_token']);
                $this->servers->setStatus($server['url'], TrustedServers::OK, $token);
            } catch (\RuntimeException $error) {
                $revoked = $error->getCode() === self::UNAUTHORIZED;
                $revoked && $this->forget($this->book($server['url_hash'], $server['url']));
                $this->servers->setStatus(
                    $server['url'],
                    $revoked ? TrustedServers::ACCESS_REVOKED : TrustedServers::FAILURE,
                );
                $this->kernel->log->write(Log::ERROR, "Server sync for {$server['url']} failed"
                    . ($revoked ? ' because of revoked access.' : ". {$error->getMessage()}"), 'federation');
                $report && $report($server['url'], $error);
            }
        }
    }

    public function book(string $uri, string $name): int
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*addressbooks (principaluri, uri, displayname) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
            [self::PRINCIPAL, $uri, $name],
        );
        return (int)$this->database->value(
            'SELECT id FROM *PREFIX*addressbooks WHERE principaluri = ? AND uri = ?',
            [self::PRINCIPAL, $uri],
        );
    }

    public function write(int $book, string $uri, string $card): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*cards (addressbookid, uri, carddata, lastmodified, etag) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (addressbookid, uri) DO UPDATE SET carddata = excluded.carddata,
            lastmodified = excluded.lastmodified, etag = excluded.etag',
            [$book, $uri, $card, time(), md5($card)],
        );
    }

    public function erase(int $book, string $uri): void
    {
        $this->database->rows('DELETE FROM *PREFIX*cards WHERE addressbookid = ? AND uri = ?', [$book, $uri]);
    }

    private function forget(int $book): void
    {
        $this->database->rows('DELETE FROM *PREFIX*cards WHERE addressbookid = ?', [$book]);
        $this->database->rows('DELETE FROM *PREFIX*addressbooks WHERE id = ?', [$book]);
    }

    /** @param array<string, mixed> $server */
    private function copy(array $server, string $token): ?string
    {
        $discovery = $this->kernel->get(OcsDiscovery::class);
        $auth = [$discovery->endpoint($server['url'], 'carddav-user', 'system'), $server['shared_secret']];
        $path = trim($discovery->endpoint($server['url'], 'system-address-book', self::PATH), '/');
        $book = $this->book($server['url_hash'], $server['url']);
        $answer = $this->ask('REPORT', rtrim($server['url'], '/') . "/$path", [
            'auth' => $auth,
            'headers' => ['Content-Type' => 'application/xml'],
            'body' => '<?xml version="1.0" encoding="UTF-8"?><d:sync-collection xmlns:d="DAV:"><d:sync-token>'
                . htmlspecialchars($token) . '</d:sync-token><d:prop><d:getcontenttype/><d:getetag/></d:prop></d:sync-collection>',
        ], 207);
        $xml = @simplexml_load_string($answer->body);
        if ($xml === false) {
            throw new \RuntimeException('The address book is no XML');
        }
        foreach ($xml->children('DAV:')->response as $response) {
            $href = (string)$response->children('DAV:')->href;
            if (str_contains((string)$response->children('DAV:')->status, '404')) {
                $this->erase($book, basename($href));
                continue;
            }
            $card = $this->ask('GET', $this->origin($server['url']) . $href, ['auth' => $auth], 200);
            $this->write($book, basename($href), $card->body);
        }
        return (string)$xml->children('DAV:')->{'sync-token'} ?: null;
    }

    /** @param array<string, mixed> $options */
    private function ask(string $method, string $url, array $options, int $expected): Answer
    {
        $answer = $this->kernel->get(Client::class)->request($method, $url, $options);
        if ($answer->status !== $expected) {
            throw new \RuntimeException("$method $url resulted in a $answer->status response", $answer->status);
        }
        return $answer;
    }

    private function origin(string $url): string
    {
        return parse_url($url, PHP_URL_SCHEME) . '://' . OwnAddress::identity($url);
    }
}
