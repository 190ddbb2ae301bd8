<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Federation\OutgoingShares;
use NextcloudDouble\Kernel;

/** WebDAV below public.php: what is shared with other servers, by the token of the share. */
final class PublicDav
{
    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
    }

    public function handle(): void
    {
        header("Content-Security-Policy: default-src 'none';");
        try {
            $this->answer(explode('/', trim($this->request->path, '/')));
        } catch (DavError $error) {
            Dav::refuse($error);
        }
    }

    /** @param list<string> $parts */
    private function answer(array $parts): void
    {
        if ($this->kernel->maintenance() || $this->kernel->needsUpgrade()) {
            throw new DavError(503, 'Service unavailable');
        }
        $byPath = array_slice($parts, 0, 2) === ['dav', 'files'] && isset($parts[2]);
        if ($parts[0] !== 'webdav' && !$byPath) {
            Page::show('Path not found', '', 404);
            return;
        }
        $token = $byPath ? $parts[2] : (string)($this->request->credentials()[0] ?? '');
        $shares = $this->kernel->get(OutgoingShares::class);
        $enabled = $this->kernel->get(AppConfig::class)->get('files_sharing', 'outgoing_server2server_share_enabled', 'yes') === 'yes';
        $share = $enabled ? $shares->withToken($token) : null;
        if ($share === null) {
            throw new DavError(401, 'Cannot authenticate over ajax calls');
        }
        $root = $shares->path($share) ?? throw new DavError(404, 'File not found');
        $base = $byPath ? "/public.php/dav/files/$token" : '/public.php/webdav';
        $files = new DavFiles($this->kernel, $this->request, (string)$share['uid_owner'], $base, $root, (int)$share['permissions']);
        $files->handle(implode('/', array_slice($parts, $byPath ? 3 : 1)));
    }
}
