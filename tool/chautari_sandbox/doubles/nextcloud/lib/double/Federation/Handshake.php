<?php

declare(strict_types=1);

namespace NextcloudDouble\Federation;

use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Jobs;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;
use NextcloudDouble\Secrets;

/**
 * How two servers that trust each other come to a shared secret.
 *
 * Each offers its token to the other (REQUEST). The one whose token is greater has its offer taken: the other fetches
 * the secret with this token (FETCH).
 */
final class Handshake
{
    public const REQUEST = 'OCA\Federation\BackgroundJob\RequestSharedSecret';
    public const FETCH = 'OCA\Federation\BackgroundJob\GetSharedSecret';
    private const LIFESPAN = 30 * 86400;
    private const ATTEMPTS = 5;
    private const LEGACY = [
        self::REQUEST => '/ocs/v2.php/apps/federation/api/v1/request-shared-secret',
        self::FETCH => '/ocs/v2.php/apps/federation/api/v1/shared-secret',
    ];

    private readonly TrustedServers $servers;

    public function __construct(private readonly Kernel $kernel)
    {
        $this->servers = $kernel->get(TrustedServers::class);
    }

    /**
     * Runs one of the two jobs. As upstream, the job is taken from the list and, if it must be tried again, put back
     * under a new number and at once due.
     *
     * @param array<string, mixed> $job
     */
    public function run(array $job): void
    {
        $argument = (array)json_decode((string)$job['argument'], true);
        $class = (string)$job['class'];
        $again = $this->servers->trusts($argument['url']) && $this->runTrusted($class, $argument);
        $jobs = $this->kernel->get(Jobs::class);
        $jobs->remove($job);
        if (!$again) {
            return;
        }
        $argument = array_intersect_key($argument + ['created' => time()], ['url' => 0, 'token' => 0, 'created' => 0, 'attempt' => 0]);
        if ($class === self::REQUEST) {
            $argument['attempt'] = ($argument['attempt'] ?? 0) + 1;
        }
        $jobs->add($class, $argument);
    }

    /** Another server offers its token. Returns false when this server does not trust it. */
    public function offered(string $url, #[\SensitiveParameter] string $token): bool
    {
        $server = $this->servers->find($url);
        if ($server === null) {
            $this->log(Log::ERROR, "remote server not trusted ($url) while requesting shared secret");
            return false;
        }
        if (strcmp((string)$server['token'], $token) > 0) {
            $this->log(Log::INFO, "remote server ($url) presented lower token. We will initiate the exchange of the shared secret.");
            return true;
        }
        $this->kernel->get(Jobs::class)->add(self::FETCH, ['url' => $url, 'token' => $token, 'created' => time()]);
        return true;
    }

    /** Another server fetches the secret with the token that this one offered; null when it may not. */
    public function secretFor(string $url, #[\SensitiveParameter] string $token): ?string
    {
        $server = $this->servers->find($url);
        if ($server === null) {
            $this->log(Log::ERROR, "remote server not trusted ($url) while getting shared secret");
            return null;
        }
        if ($token === '' || !hash_equals((string)$server['token'], $token)) {
            $this->log(Log::ERROR, "remote server ($url) didn't send a valid token while getting shared secret");
            return null;
        }
        $secret = Secrets::word(32, Secrets::WIDE_ALPHABET);
        $this->servers->setSecret($url, $secret);
        return $secret;
    }

    /**
     * Returns whether the job must be tried again.
     *
     * @param array<string, mixed> $argument
     */
    private function runTrusted(string $class, array $argument): bool
    {
        $target = $argument['url'];
        if (($argument['created'] ?? time()) < time() - self::LIFESPAN) {
            $this->log(Log::WARN, "The job $class is too old and gets stopped now without retention. "
                . "Setting server status of '$target' to failure.");
            $this->servers->setStatus($target, TrustedServers::FAILURE);
            return false;
        }
        $fields = ['url' => OwnAddress::url($this->kernel), 'token' => $argument['token'], 'format' => 'json'];
        $endpoint = $this->kernel->get(OcsDiscovery::class)->endpoint($target, 'shared-secret', self::LEGACY[$class]);
        $url = rtrim($target, '/') . '/' . trim($endpoint, '/');
        try {
            $answer = $class === self::REQUEST
                ? $this->client()->request('POST', $url, ['timeout' => 3, 'body' => http_build_query($fields)])
                : $this->client()->request('GET', "$url?" . http_build_query($fields), ['timeout' => 3]);
        } catch (Unreachable) {
            $this->log(Log::INFO, "Could not connect to $target");
            return true;
        }
        if ($answer->status !== 200) {
            $this->log(Log::INFO, "$target answered $answer->status to $class");
            return $answer->status !== 403 || ($class === self::REQUEST && ($argument['attempt'] ?? 0) < self::ATTEMPTS);
        }
        if ($class === self::FETCH) {
            $this->keep($target, $answer->json()['ocs']['data']['sharedSecret'] ?? null);
        }
        return false;
    }

    private function keep(string $target, #[\SensitiveParameter] mixed $secret): void
    {
        if (is_string($secret)) {
            $this->servers->setSecret($target, $secret);
            return;
        }
        $this->log(Log::ERROR, "remote server \"$target\" does not return a valid shared secret.");
        $this->servers->setStatus($target, TrustedServers::FAILURE);
    }

    private function client(): Client
    {
        return $this->kernel->get(Client::class);
    }

    private function log(int $level, string $message): void
    {
        $this->kernel->log->write($level, $message, 'federation');
    }
}
