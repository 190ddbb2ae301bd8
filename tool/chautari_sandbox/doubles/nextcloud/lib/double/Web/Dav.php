<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Apps;
use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Federation\TrustedServers;
use NextcloudDouble\Files;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Throttle;
use NextcloudDouble\Users;

/** WebDAV below remote.php: who may ask, and which collection is meant. */
final class Dav
{
    private const METHODS = 'OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, PROPPATCH, COPY, MOVE, REPORT, MKCOL';

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
    }

    public function handle(): void
    {
        header("Content-Security-Policy: default-src 'none';");
        try {
            $this->answer();
        } catch (DavError $error) {
            self::refuse($error);
        }
    }

    private function answer(): void
    {
        if ($this->kernel->needsUpgrade()) {
            throw new DavError(503, 'Service unavailable');
        }
        if ($this->kernel->maintenance()) {
            header('X-Nextcloud-Maintenance-Mode: 1');
            throw new DavError(503, 'System is in maintenance mode.');
        }
        $parts = explode('/', trim($this->request->path, '/'), 4);
        if (!in_array($parts[0], ['dav', 'webdav', 'files', 'caldav', 'carddav'], true)) {
            Page::show('Path not found', '', 404);
            return;
        }
        if ($this->isServer()) {
            (new SystemAddressBook($this->kernel, $this->request))->handle(implode('/', array_slice($parts, 1)));
            return;
        }
        $uid = $this->authenticate();
        $this->kernel->get(Files::class)->prepare($uid);
        if ($this->request->method === 'OPTIONS') {
            header('DAV: 1, 3, extended-mkcol, access-control, calendar-access, addressbook');
            header('Allow: ' . self::METHODS);
            return;
        }
        $this->dispatch($uid, $parts);
    }

    /** Whether a trusted server asks, by the name and the secret that it shares with this one. */
    private function isServer(): bool
    {
        $credentials = $this->request->credentials();
        return $credentials !== null && $credentials[0] === 'system' && $this->kernel->get(Apps::class)->enabled('federation')
            && $this->kernel->get(TrustedServers::class)->secretIsKnown($credentials[1]);
    }

    /** @param list<string> $parts */
    private function dispatch(string $uid, array $parts): void
    {
        $isFiles = $parts[0] === 'dav' && ($parts[1] ?? '') === 'files' && isset($parts[2]);
        if ($isFiles && mb_strtolower($parts[2]) !== mb_strtolower($uid)) {
            throw new DavError(404, "File with name {$parts[2]} could not be located");
        }
        if ($isFiles) {
            $base = '/remote.php/dav/files/' . rawurlencode($uid);
            $this->files($uid, $base, $parts[3] ?? '');
        } elseif (in_array($parts[0], ['webdav', 'files'], true)) {
            $path = implode('/', array_slice($parts, 1));
            $this->files($uid, "/remote.php/$parts[0]", $path);
        } elseif ($this->request->method === 'PROPFIND' && count($parts) <= 3) {
            $this->describe($uid);
        } else {
            throw new DavError(404, 'File not found: ' . implode('/', array_slice($parts, 1)));
        }
    }

    private function files(string $uid, string $base, string $path): void
    {
        $mount = $this->kernel->get(IncomingShares::class)->at($uid, trim($path, '/'));
        if ($mount === null) {
            (new DavFiles($this->kernel, $this->request, $uid, $base))->handle($path);
            return;
        }
        (new RemoteMount($this->kernel, $this->request, $mount[0], $base))->handle($mount[1]);
    }

    /** The root and the principals: enough for a client to find the account's own address. */
    private function describe(string $uid): void
    {
        $href = Page::text((string)strtok($_SERVER['REQUEST_URI'], '?'));
        $principal = '/remote.php/dav/principals/users/' . rawurlencode($uid) . '/';
        DavFiles::multistatus("<d:response><d:href>$href</d:href><d:propstat><d:prop>"
            . '<d:resourcetype><d:collection/></d:resourcetype>'
            . "<d:current-user-principal><d:href>$principal</d:href></d:current-user-principal>"
            . '</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>');
    }

    private function authenticate(): string
    {
        $credentials = $this->request->credentials();
        if ($credentials === null) {
            throw new DavError(401, "No public access to this resource., No 'Authorization: Basic' header found. "
                . 'Either the client didn\'t send one, or the server is misconfigured');
        }
        $throttle = $this->kernel->get(Throttle::class);
        $throttle->delay('login');
        $users = $this->kernel->get(Users::class);
        $uid = $users->verifyProgram(...$credentials);
        if ($uid === null) {
            $throttle->failed('login');
            $this->kernel->log->write(Log::WARN, "Login failed: $credentials[0] (Remote IP: {$throttle->network()})");
            throw new DavError(401, 'No public access to this resource., Username or password was incorrect');
        }
        $throttle->succeeded('login');
        $users->recordLogin($uid);
        return $uid;
    }

    public static function refuse(DavError $error): void
    {
        http_response_code($error->status);
        header('Content-Type: application/xml; charset=utf-8');
        if ($error->status === 401) {
            header('WWW-Authenticate: Basic realm="Nextcloud", charset="UTF-8"');
        }
        $message = Page::text($error->getMessage());
        echo '<?xml version="1.0" encoding="utf-8"?>' . "\n"
            . '<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">' . "\n"
            . "  <s:exception>{$error->name()}</s:exception>\n  <s:message>$message</s:message>\n</d:error>\n";
    }
}
