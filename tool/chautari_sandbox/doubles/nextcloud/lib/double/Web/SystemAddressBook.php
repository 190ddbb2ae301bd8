<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Database;
use NextcloudDouble\Federation\AddressBooks;
use NextcloudDouble\Federation\OwnAddress;
use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** The address book of all accounts, for servers that share a secret with this one. */
final class SystemAddressBook
{
    private const HOME = 'addressbooks/system/system';
    private const PATH = self::HOME . '/system';
    private const TOKEN = 'http://sabre.io/ns/sync/';
    private const CHANGED = 2;
    private const DELETED = 3;

    private readonly Database $database;
    private readonly AddressBooks $books;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->database = $kernel->get(Database::class);
        $this->books = $kernel->get(AddressBooks::class);
    }

    public function handle(string $path): void
    {
        $path = trim($path, '/');
        $book = $this->books->book('system', 'Accounts');
        if ($this->request->method === 'REPORT' && $path === self::PATH) {
            $this->refresh($book);
            $this->report($book);
            return;
        }
        if ($this->request->method === 'PROPFIND' && $path === self::PATH) {
            $this->describe($book);
            return;
        }
        if ($this->request->method === 'PROPFIND' && $path === self::HOME) {
            DavFiles::multistatus('<d:response><d:href>/remote.php/dav/' . self::HOME . '/</d:href><d:propstat><d:prop>'
                . '<d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>');
            return;
        }
        $card = dirname($path) === self::PATH ? $this->card($book, basename($path)) : null;
        if ($this->request->method !== 'GET' || $card === null) {
            throw new DavError(404, "File not found: $path");
        }
        header('Content-Type: text/vcard; charset=utf-8');
        header("ETag: \"{$card['etag']}\"");
        echo $card['carddata'];
    }

    private function describe(int $book): void
    {
        DavFiles::multistatus('<d:response><d:href>/remote.php/dav/' . self::PATH . '/</d:href><d:propstat><d:prop>'
            . '<d:resourcetype><d:collection/><card:addressbook xmlns:card="urn:ietf:params:xml:ns:carddav"/></d:resourcetype>'
            . "<d:displayname>Accounts</d:displayname><d:sync-token>{$this->token($book)}</d:sync-token>"
            . '</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>');
    }

    private function token(int $book): string
    {
        return self::TOKEN . $this->database->value('SELECT synctoken FROM *PREFIX*addressbooks WHERE id = ?', [$book]);
    }

    private function report(int $book): void
    {
        preg_match('~sync-token>\s*' . preg_quote(self::TOKEN, '~') . '(\d+)\s*<~', (string)file_get_contents('php://input'), $match);
        $known = isset($match[1]) ? (int)$match[1] : null;
        $rows = $known === null
            ? $this->database->rows('SELECT uri, etag FROM *PREFIX*cards WHERE addressbookid = ? ORDER BY uri', [$book])
            : $this->database->rows(
                'SELECT DISTINCT a.uri, c.etag FROM *PREFIX*addressbookchanges a LEFT JOIN *PREFIX*cards c
                ON c.addressbookid = a.addressbookid AND c.uri = a.uri WHERE a.addressbookid = ? AND a.synctoken >= ?',
                [$book, $known],
            );
        $responses = '';
        foreach ($rows as $row) {
            $href = '/remote.php/dav/' . self::PATH . '/' . str_replace('%3A', ':', rawurlencode($row['uri']));
            $responses .= "<d:response><d:href>$href</d:href>" . ($row['etag'] === null
                ? '<d:status>HTTP/1.1 404 Not Found</d:status>'
                : "<d:propstat><d:prop><d:getcontenttype>text/vcard; charset=utf-8</d:getcontenttype>"
                    . "<d:getetag>&quot;{$row['etag']}&quot;</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>")
                . '</d:response>';
        }
        DavFiles::multistatus("$responses<d:sync-token>{$this->token($book)}</d:sync-token>");
    }

    /** Brings the cards to what the accounts are now, and records each change under the book's next token. */
    private function refresh(int $book): void
    {
        $users = $this->kernel->get(Users::class);
        $wanted = [];
        foreach ($users->list(PHP_INT_MAX) as $uid) {
            if ($users->enabled($uid)) {
                $wanted["Database:$uid.vcf"] = $this->vcard($users, $uid);
            }
        }
        $known = $this->database->rows('SELECT uri, carddata FROM *PREFIX*cards WHERE addressbookid = ?', [$book]);
        $known = array_column($known, 'carddata', 'uri');
        foreach (array_diff_assoc($wanted, $known) as $uri => $card) {
            $this->books->write($book, (string)$uri, $card);
            $this->change($book, (string)$uri, self::CHANGED);
        }
        foreach (array_diff_key($known, $wanted) as $uri => $card) {
            $this->books->erase($book, (string)$uri);
            $this->change($book, (string)$uri, self::DELETED);
        }
    }

    private function change(int $book, string $uri, int $operation): void
    {
        $this->database->rows(
            'INSERT INTO *PREFIX*addressbookchanges (uri, synctoken, addressbookid, operation)
            SELECT ?, synctoken, id, ? FROM *PREFIX*addressbooks WHERE id = ?',
            [$uri, $operation, $book],
        );
        $this->database->rows('UPDATE *PREFIX*addressbooks SET synctoken = synctoken + 1 WHERE id = ?', [$book]);
    }

    private function vcard(Users $users, string $uid): string
    {
        $escape = static fn (string $text): string => addcslashes(str_replace(["\r", "\n"], ' ', $text), '\\,;');
        $name = $escape($users->displayName($uid));
        $mail = $users->email($uid);
        $host = OwnAddress::identity(OwnAddress::url($this->kernel));
        return "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:$uid\r\nFN;X-NC-SCOPE=v2-federated:$name\r\nN;X-NC-SCOPE=v2-federated:$name;;;;\r\n"
            . ($mail === '' ? '' : "EMAIL;TYPE=OTHER;X-NC-SCOPE=v2-federated:$mail\r\n") . "CLOUD:$uid@$host\r\nEND:VCARD\r\n";
    }

    /** @return array<string, mixed>|null */
    private function card(int $book, string $uri): ?array
    {
        return $this->database->rows(
            'SELECT carddata, etag FROM *PREFIX*cards WHERE addressbookid = ? AND uri = ?',
            [$book, rawurldecode($uri)],
        )[0] ?? null;
    }
}
