<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Environment;
use NextcloudDouble\Federation\OcsDiscovery;
use NextcloudDouble\HintException;
use NextcloudDouble\Kernel;
use NextcloudDouble\Log;

/** Every request comes in here: the checks that are common to all, then the part that answers. */
final class Front
{
    private ?Kernel $kernel = null;

    public function __construct(private readonly string $root)
    {
    }

    public function handle(string $entry): void
    {
        ini_set('display_errors', '0');
        try {
            $this->kernel = Kernel::boot($this->root);
            $this->answer($this->kernel, new Request($this->kernel->config), $entry);
        } catch (HintException $error) {
            $this->fail($error, trim($error->getMessage() . "\n" . $error->hint), 503);
        } catch (\Throwable $error) {
            $this->fail($error, 'The server was unable to complete your request.', 500);
        }
    }

    private function answer(Kernel $kernel, Request $request, string $entry): void
    {
        Page::headers();
        if (!$kernel->installed() && !in_array($entry, ['index', 'status'], true)) {
            Page::redirect('/index.php', 302);
            return;
        }
        if ($kernel->installed() && !$request->hostIsTrusted()) {
            $this->refuseHost($kernel, $request, $entry);
            return;
        }
        match ($entry) {
            'status' => $this->status($kernel),
            'ocs-provider' => Page::json($kernel->get(OcsDiscovery::class)->own()),
            'remote' => (new Dav($kernel, $request))->handle(),
            'public' => (new PublicDav($kernel, $request))->handle(),
            default => $this->site($kernel, $request, $entry),
        };
    }

    private function site(Kernel $kernel, Request $request, string $entry): void
    {
        if (!$kernel->installed()) {
            Page::show('Install', '<p>Not installed yet: run <code>occ maintenance:install</code>.</p>');
            return;
        }
        $errors = $kernel->get(Environment::class)->errors();
        if ($errors !== []) {
            $lines = array_map(static fn (array $error): string => Page::text("{$error['error']} {$error['hint']}"), $errors);
            Page::show('Error', '<p>' . implode('</p><p>', $lines) . '</p>', 503);
            return;
        }
        if ($kernel->maintenance() || $kernel->needsUpgrade()) {
            $this->closed($kernel);
            return;
        }
        if ($entry === 'ocs') {
            (new Ocs($kernel, $request))->handle();
            return;
        }
        $ocm = new Ocm($kernel, $request);
        $ocm->isMine() ? $ocm->handle() : (new Site($kernel, $request))->handle();
    }

    private function closed(Kernel $kernel): void
    {
        header('Retry-After: 120');
        if ($kernel->maintenance()) {
            header('X-Nextcloud-Maintenance-Mode: 1');
            Page::show('Maintenance mode', '<p>This Nextcloud instance is currently in maintenance mode.</p>', 503);
            return;
        }
        Page::show('Update needed', '<p>Please use the command line updater: <code>occ upgrade</code>.</p>', 503);
    }

    private function status(Kernel $kernel): void
    {
        header('Access-Control-Allow-Origin: *');
        header('Content-Type: application/json');
        $status = $kernel->status();
        $order = ['installed', 'maintenance', 'needsDbUpgrade', 'version', 'versionstring', 'edition', 'productname', 'extendedSupport'];
        echo json_encode(array_merge(array_flip($order), $status));
    }

    private function refuseHost(Kernel $kernel, Request $request, string $entry): void
    {
        $kernel->log->write(Log::INFO, 'Trusted domain error. "' . $request->host() . '" is not a trusted domain');
        if ($entry === 'status') {
            Page::json(['error' => 'Trusted domain error.', 'code' => 15], 400);
            return;
        }
        Page::show('Access through untrusted domain', '<p>Please contact your administrator.</p>', 400);
    }

    private function fail(\Throwable $error, string $message, int $status): void
    {
        error_log('double of Nextcloud: ' . $error->getMessage() . ' at ' . $error->getFile() . ':' . $error->getLine());
        $this->kernel?->log->write(Log::ERROR, $error->getMessage());
        if (!headers_sent()) {
            Page::show('Internal Server Error', '<p>' . Page::text($message) . '</p>', $status);
        }
    }
}
