<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Apps;
use NextcloudDouble\Caches;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Kernel;

/** Which paths a server offers for federation: `/ocs-provider/`, asked at others and told to them. */
final class OcsDiscovery
{
    private const LIFETIME = 86400;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    public function endpoint(string $remote, string $name, string $default): string
    {
        $cache = $this->kernel->get(Caches::class)->distributed();
        $key = "ocs-discovery/$remote#FEDERATED_SHARING";
        $endpoints = $cache->get($key);
        if (!is_array($endpoints)) {
            $endpoints = $this->ask($remote);
            // As upstream, a server that did not answer counts as one with the usual paths for a day.
            $cache->set($key, $endpoints, self::LIFETIME);
        }
        return $endpoints[$name] ?? $default;
    }

    /** @return array<string, mixed> */
    public function own(): array
    {
        $services = ['PRIVATE_DATA' => ['version' => 1]];
        $apps = $this->kernel->get(Apps::class);
        $endpoints = [];
        if ($apps->enabled('files_sharing')) {
            $services['SHARING'] = ['version' => 1, 'endpoints' => ['share' => '/ocs/v2.php/apps/files_sharing/api/v1/shares']];
            $endpoints = ['share' => '/ocs/v2.php/cloud/shares', 'webdav' => '/public.php/webdav/'];
        }
        if ($apps->enabled('federation')) {
            $endpoints += [
                'shared-secret' => '/ocs/v2.php/cloud/shared-secret',
                'system-address-book' => '/remote.php/dav/addressbooks/system/system/system',
                'carddav-user' => 'system',
            ];
        }
        return ['version' => 2, 'services' => $services + array_filter(
            ['FEDERATED_SHARING' => ['version' => 1, 'endpoints' => $endpoints]],
            static fn (): bool => $endpoints !== [],
        )];
    }

    /** @return array<string, string> */
    private function ask(string $remote): array
    {
        try {
            $answer = $this->kernel->get(Client::class)->request('GET', "$remote/ocs-provider/", ['timeout' => 10]);
        } catch (Unreachable) {
            return [];
        }
        $found = $answer->status === 200 ? ($answer->json()['services']['FEDERATED_SHARING']['endpoints'] ?? []) : [];
        return array_filter(
            is_array($found) ? $found : [],
            static fn (mixed $path): bool => is_string($path) && preg_match('~^[/.\-A-Za-z0-9]+$~', $path) === 1,
        );
    }
}
