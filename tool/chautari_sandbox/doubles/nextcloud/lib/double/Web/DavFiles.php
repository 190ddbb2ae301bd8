<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Files;
use NextcloudDouble\Kernel;
use NextcloudDouble\Locks;

/** The files of one account over WebDAV. */
final class DavFiles
{
    private const ALL = 31;
    private const UPDATE = 2;
    private const CREATE = 4;
    private const DELETE = 8;

    private readonly Files $files;

    public function __construct(
        private readonly Kernel $kernel,
        private readonly Request $request,
        private readonly string $uid,
        private readonly string $base,
        private readonly string $root = '',
        private readonly int $permissions = self::ALL,
    ) {
        $this->files = $kernel->get(Files::class);
    }

    public function handle(string $path): void
    {
        $path = $this->below($path);
        match ($this->request->method) {
            'GET', 'HEAD' => $this->read($path),
            'PROPFIND' => $this->list($path),
            'PROPPATCH' => $this->list($path),
            'PUT' => $this->locked($path, fn () => $this->write($path)),
            'DELETE' => $this->locked($path, fn () => $this->delete($path)),
            'MKCOL' => $this->locked($path, fn () => $this->makeFolder($path)),
            'MOVE', 'COPY' => $this->locked($path, fn () => $this->transfer($path, $this->request->method === 'COPY')),
            default => throw new DavError(501, "There was no handler found for this \"{$this->request->method}\" method"),
        };
    }

    /** The path below the account's files, in a share below what is shared. */
    private function below(string $path): string
    {
        $path = trim($path, '/');
        $this->requireGoodPath($path);
        return trim("$this->root/$path", '/');
    }

    public static function multistatus(string $responses): void
    {
        http_response_code(207);
        header('Content-Type: application/xml; charset=utf-8');
        header('DAV: 1, 3, extended-mkcol, access-control');
        echo '<?xml version="1.0"?>' . "\n" . '<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" '
            . 'xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns">' . "$responses</d:multistatus>";
    }

    private function read(string $path): void
    {
        $entry = $this->require($path);
        $disk = $this->files->disk($this->uid, $path);
        if (is_dir($disk)) {
            http_response_code($this->request->method === 'HEAD' ? 200 : 501);
            return;
        }
        header('Content-Type: ' . $entry['type']);
        header('Content-Length: ' . filesize($disk));
        header('Last-Modified: ' . gmdate('D, d M Y H:i:s', (int)$entry['mtime']) . ' GMT');
        header("Content-Disposition: attachment; filename*=UTF-8''" . rawurlencode($entry['name']));
        $this->tag($entry);
        if ($this->request->method === 'GET') {
            readfile($disk);
        }
    }

    private function write(string $path): void
    {
        if ($path === '' || is_dir($this->files->disk($this->uid, $path))) {
            throw new DavError(409, 'PUT is not allowed on non-files.');
        }
        $existed = $this->files->entry($this->uid, $path) !== null;
        $this->requirePermission($existed ? self::UPDATE : self::CREATE);
        if (!is_dir(dirname($this->files->disk($this->uid, $path)))) {
            throw new DavError(404, 'File with name //' . dirname($path) . ' could not be located');
        }
        $length = (int)($this->request->header('Content-Length') ?: $this->request->header('X-Expected-Entity-Length'));
        $free = $this->files->free($this->uid);
        if ($free >= 0 && $length > $free) {
            throw new DavError(507, "Insufficient space in $path, $length required, $free available");
        }
        $content = fopen('php://input', 'r');
        $this->files->write($this->uid, $path, $content);
        $this->tag((array)$this->files->entry($this->uid, $path));
        http_response_code($existed ? 204 : 201);
    }

    private function delete(string $path): void
    {
        if ($path === $this->root) {
            throw new DavError(403, 'You are not allowed to delete the home folder.');
        }
        $this->requirePermission(self::DELETE);
        $this->require($path);
        $this->files->delete($this->uid, $path);
        http_response_code(204);
    }

    private function makeFolder(string $path): void
    {
        $this->requirePermission(self::CREATE);
        $disk = $this->files->disk($this->uid, $path);
        if (file_exists($disk)) {
            throw new DavError(405, 'The resource you tried to create already exists');
        }
        if (!is_dir(dirname($disk))) {
            throw new DavError(409, 'Parent node does not exist');
        }
        $this->files->makeFolder($this->uid, $path);
        http_response_code(201);
    }

    private function transfer(string $from, bool $copy): void
    {
        $this->require($from);
        $this->requirePermission(self::CREATE | ($copy ? 0 : self::UPDATE));
        $to = $this->destination();
        $exists = $this->files->entry($this->uid, $to) !== null;
        if ($exists && strtoupper($this->request->header('Overwrite')) === 'F') {
            throw new DavError(412, 'The destination node already exists, and the overwrite header is set to false');
        }
        if (!is_dir(dirname($this->files->disk($this->uid, $to)))) {
            throw new DavError(409, 'The destination node is not found');
        }
        if ($to === $this->root || $to === $from || str_starts_with("$to/", "$from/")) {
            throw new DavError(403, 'Source and destination uri are identical.');
        }
        if ($exists) {
            $this->files->delete($this->uid, $to);
        }
        $this->files->transfer($this->uid, $from, $to, $copy);
        $this->tag((array)$this->files->entry($this->uid, $to));
        http_response_code($exists ? 204 : 201);
    }

    private function destination(): string
    {
        $path = rawurldecode((string)parse_url($this->request->header('Destination'), PHP_URL_PATH));
        $base = rawurldecode($this->base) . '/';
        if (!str_starts_with($path, $base)) {
            throw new DavError(403, 'The destination header is not below this collection');
        }
        return $this->below(substr($path, strlen($base)));
    }

    private function list(string $path): void
    {
        $entry = $this->require($path);
        $responses = $this->describe($path, $entry);
        if ($this->request->header('Depth') !== '0' && $entry['type'] === 'httpd/unix-directory') {
            foreach ($this->files->children($this->uid, (int)$entry['fileid']) as $child) {
                $responses .= $this->describe(ltrim("$path/{$child['name']}", '/'), $child);
            }
        }
        self::multistatus($responses . ($path === '' && $this->request->header('Depth') !== '0' ? $this->mounts() : ''));
    }

    /** The files of other servers that the account accepted; one whose server does not answer is left out. */
    private function mounts(): string
    {
        $responses = '';
        foreach ($this->kernel->get(IncomingShares::class)->of($this->uid, IncomingShares::ACCEPTED) as $share) {
            $responses .= (new RemoteMount($this->kernel, $this->request, $share, $this->base))->summary();
        }
        return $responses;
    }

    /** @param array<string, mixed> $entry */
    private function describe(string $path, array $entry): string
    {
        $folder = $entry['type'] === 'httpd/unix-directory';
        $shown = ltrim(substr($path, strlen($this->root)), '/');
        $href = $this->base . '/' . implode('/', array_map(rawurlencode(...), explode('/', $shown)));
        $free = $this->files->free($this->uid);
        $special = $folder
            ? '<d:resourcetype><d:collection/></d:resourcetype><d:quota-used-bytes>' . $entry['size']
                . "</d:quota-used-bytes><d:quota-available-bytes>$free</d:quota-available-bytes>"
            : '<d:resourcetype/><d:getcontentlength>' . $entry['size'] . '</d:getcontentlength><d:getcontenttype>'
                . Page::text($entry['type']) . '</d:getcontenttype>';
        return '<d:response><d:href>' . rtrim($href, '/') . ($folder ? '/' : '') . '</d:href><d:propstat><d:prop>'
            . '<d:displayname>' . Page::text($entry['name']) . '</d:displayname>'
            . '<d:getlastmodified>' . gmdate('D, d M Y H:i:s', (int)$entry['mtime']) . ' GMT</d:getlastmodified>'
            . "<d:getetag>&quot;{$entry['etag']}&quot;</d:getetag><oc:fileid>{$entry['fileid']}</oc:fileid>"
            . "<oc:size>{$entry['size']}</oc:size>$special"
            . '</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>';
    }

    /** @return array<string, mixed> */
    private function require(string $path): array
    {
        return $this->files->entry($this->uid, $path)
            ?? throw new DavError(404, "File with name //$path could not be located");
    }

    private function requirePermission(int $needed): void
    {
        if (($this->permissions & $needed) !== $needed) {
            throw new DavError(403, 'The share does not allow this');
        }
    }

    private function requireGoodPath(string $path): void
    {
        if (array_intersect(explode('/', $path), ['.', '..', '.htaccess']) || preg_match('/[\x00-\x1f\\\\]/', $path)) {
            throw new DavError(403, 'Invalid path');
        }
    }

    /** @param \Closure(): void $action */
    private function locked(string $path, \Closure $action): void
    {
        $done = $this->kernel->get(Locks::class)->hold("home::{$this->uid}::files/$path", static function () use ($action): bool {
            $action();
            return true;
        });
        if ($done === null) {
            throw new DavError(423, "\"files/$path\" is locked");
        }
    }

    /** @param array<string, mixed> $entry */
    private function tag(array $entry): void
    {
        header("ETag: \"{$entry['etag']}\"");
        header("OC-ETag: \"{$entry['etag']}\"");
        header('OC-FileId: ' . str_pad((string)$entry['fileid'], 8, '0', STR_PAD_LEFT) . $this->kernel->config->string('instanceid'));
    }
}
