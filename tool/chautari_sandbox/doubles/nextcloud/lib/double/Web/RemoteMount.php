<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Federation\IncomingShares;
use NextcloudDouble\Federation\OcmDiscovery;
use NextcloudDouble\Federation\OwnAddress;
use NextcloudDouble\Http\Answer;
use NextcloudDouble\Http\Client;
use NextcloudDouble\Http\Unreachable;
use NextcloudDouble\Kernel;

/** A file or folder of another server below an account's files: each request is passed on to that server. */
final class RemoteMount
{
    private const PASSED = ['content-type', 'content-length', 'last-modified', 'etag', 'oc-etag', 'content-disposition'];
    private const PROPERTIES = '<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:allprop/></d:propfind>';

    private readonly string $address;
    private readonly string $path;

    /** @param array<string, mixed> $share */
    public function __construct(
        private readonly Kernel $kernel,
        private readonly Request $request,
        private readonly array $share,
        private readonly string $base,
    ) {
        $remote = rtrim((string)$share['remote'], '/');
        $provider = $kernel->get(OcmDiscovery::class)->discover($remote);
        $this->path = rtrim((string)($provider['resourceTypes'][0]['protocols']['webdav'] ?? '/public.php/webdav'), '/');
        $endpoint = (string)($provider['endPoint'] ?? $remote);
        $this->address = parse_url($endpoint, PHP_URL_SCHEME) . '://' . OwnAddress::identity($endpoint) . $this->path . '/';
    }

    public function handle(string $path): void
    {
        $method = $this->request->method;
        if ($path === '' && $method === 'DELETE') {
            $this->kernel->get(IncomingShares::class)->decline($this->share);
            http_response_code(204);
            return;
        }
        match ($method) {
            'GET', 'HEAD' => $this->read($method, $path),
            'PROPFIND' => $this->list($path),
            'PUT' => $this->change($method, $path, ['from' => fopen('php://input', 'r')]),
            'DELETE', 'MKCOL' => $this->change($method, $path, []),
            default => throw new DavError(501, "There was no handler found for this \"$method\" method"),
        };
    }

    /** The share as one entry of the folder above; nothing when its server does not answer. */
    public function summary(): string
    {
        try {
            return $this->responses('', '0');
        } catch (DavError) {
            return '';
        }
    }

    private function read(string $method, string $path): void
    {
        $content = fopen('php://temp', 'w+');
        $answer = $this->ask($method, $path, ['to' => $content]);
        foreach (array_intersect_key($answer->headers, array_flip(self::PASSED)) as $name => $value) {
            header("$name: $value");
        }
        rewind($content);
        fpassthru($content);
    }

    private function list(string $path): void
    {
        DavFiles::multistatus($this->responses($path, $this->request->header('Depth') === '0' ? '0' : '1'));
    }

    /** @param array<string, mixed> $options */
    private function change(string $method, string $path, array $options): void
    {
        http_response_code($this->ask($method, $path, $options)->status);
    }

    /** The other server's entries under this server's addresses, without its numbers of files. */
    private function responses(string $path, string $depth): string
    {
        $answer = $this->ask('PROPFIND', $path, ['headers' => ['Depth' => $depth], 'body' => self::PROPERTIES]);
        $document = new \DOMDocument();
        if (!@$document->loadXML($answer->body, LIBXML_NONET)) {
            throw new DavError(503, 'The other server does not answer in XML');
        }
        $local = $this->base . '/' . rawurlencode(ltrim((string)$this->share['mountpoint'], '/'));
        $responses = '';
        foreach ($document->getElementsByTagNameNS('DAV:', 'response') as $response) {
            foreach (iterator_to_array($response->getElementsByTagNameNS('http://owncloud.org/ns', 'fileid')) as $number) {
                $number->parentNode->removeChild($number);
            }
            $href = $response->getElementsByTagNameNS('DAV:', 'href')->item(0);
            $rest = substr((string)$href?->textContent, strlen($this->path));
            $href->textContent = $local . ($rest === '/' && !$this->isFolder($response) ? '' : $rest);
            $this->rename($response, $rest);
            $responses .= $document->saveXML($response);
        }
        return $responses;
    }

    private function isFolder(\DOMElement $response): bool
    {
        return $response->getElementsByTagNameNS('DAV:', 'collection')->length > 0;
    }

    /** The entry of the share itself has the name that it has here. */
    private function rename(\DOMElement $response, string $rest): void
    {
        $name = $response->getElementsByTagNameNS('DAV:', 'displayname')->item(0);
        if (trim($rest, '/') === '' && $name !== null) {
            $name->textContent = ltrim((string)$this->share['mountpoint'], '/');
        }
    }

    /** @param array<string, mixed> $options */
    private function ask(string $method, string $path, array $options): Answer
    {
        $url = $this->address . implode('/', array_map(rawurlencode(...), explode('/', $path)));
        try {
            $client = $this->kernel->get(Client::class);
            $answer = $client->request($method, $url, $options + ['auth' => [$this->share['share_token'], '']]);
            if (in_array($answer->status, [401, 404], true) && $this->isGone($client)) {
                $this->kernel->get(IncomingShares::class)->decline($this->share);
                throw new DavError(404, "File with name /{$this->share['mountpoint']} could not be located");
            }
        } catch (Unreachable $error) {
            throw new DavError(503, "Failed to connect to remote instance: {$error->getMessage()}");
        }
        return $answer->status < 300 ? $answer : throw new DavError(
            in_array($answer->status, [403, 404, 405, 409, 412, 423, 507], true) ? $answer->status : 503,
            "The other server answered $answer->status",
        );
    }

    /** Whether the other server is there and says that it does not have this share. */
    private function isGone(Client $client): bool
    {
        $url = rtrim((string)$this->share['remote'], '/') . '/index.php/apps/files_sharing/shareinfo?t=' . $this->share['share_token'];
        return $client->request('POST', $url, ['timeout' => 10, 'body' => 'password=&depth=0'])->status === 404;
    }
}
