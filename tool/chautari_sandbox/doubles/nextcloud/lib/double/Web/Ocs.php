<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** The OCS interface: who may call, and which part answers. */
final class Ocs
{
    private readonly bool $second;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->second = str_starts_with($_SERVER['REQUEST_URI'] ?? '', '/ocs/v2');
    }

    public function handle(): void
    {
        try {
            $this->send(200, 'OK', $this->answer());
        } catch (OcsError $error) {
            $this->send($error->status, $error->getMessage());
        }
    }

    /** @return array<int|string, mixed> */
    private function answer(): array
    {
        if ($this->request->path === '/cloud/capabilities') {
            return $this->capabilities();
        }
        $federation = new OcsFederation($this->kernel, $this->request);
        if ($federation->isForServers()) {
            return $federation->answerServer();
        }
        $legacy = new OcsServerShares($this->kernel, $this->request);
        if ($legacy->isMine()) {
            return $legacy->answer();
        }
        if ($this->request->header('OCS-APIRequest') !== 'true') {
            throw new OcsError(412, 'CSRF check failed');
        }
        $uid = $this->authenticate();
        $shares = new OcsShares($this->kernel, $this->request);
        return match (true) {
            $federation->isForAdmins() => $federation->answerAdmin($uid),
            $shares->isMine() => $shares->answer($uid),
            preg_match('~^/cloud/users?(/|$)~', $this->request->path) === 1 =>
                (new OcsUsers($this->kernel, $this->request))->answer($uid),
            default => throw new OcsError(OcsError::NOT_FOUND, 'Invalid query, please check the syntax.'),
        };
    }

    private function authenticate(): string
    {
        $credentials = $this->request->credentials();
        if ($credentials === null) {
            throw new OcsError(OcsError::UNAUTHORISED, 'Current user is not logged in');
        }
        return $this->kernel->get(Users::class)->verifyProgram(...$credentials)
            ?? throw new OcsError(OcsError::UNAUTHORISED, 'Unauthorised');
    }

    /** @return array<string, mixed> */
    private function capabilities(): array
    {
        $release = $this->kernel->release;
        [$major, $minor, $micro] = array_map(intval(...), explode('.', $release->version));
        return [
            'version' => [
                'major' => $major, 'minor' => $minor, 'micro' => $micro, 'string' => $release->string,
                'edition' => $release->edition, 'extendedSupport' => false,
            ],
            'capabilities' => ['core' => ['pollinterval' => 60, 'webdav-root' => 'remote.php/webdav']],
        ];
    }

    /** @param array<int|string, mixed> $data */
    private function send(int $code, string $message, array $data = []): void
    {
        $good = $code === 200;
        $meta = [
            'status' => $good ? 'ok' : 'failure',
            'statuscode' => $good && !$this->second ? 100 : $code,
            'message' => $message,
        ];
        $status = match (true) {
            $code === OcsError::UNAUTHORISED => 401,
            $code === OcsError::NOT_FOUND => 404,
            $code < 200 || $code > 600 => 400,
            default => $code,
        };
        http_response_code($this->second || in_array($status, [401, 412], true) ? $status : 200);
        if ($this->request->field('format') === 'json' || str_contains($this->request->header('Accept'), 'application/json')) {
            header('Content-Type: application/json; charset=utf-8');
            echo json_encode(['ocs' => ['meta' => $meta, 'data' => $data]]);
            return;
        }
        header('Content-Type: application/xml; charset=utf-8');
        $root = new \SimpleXMLElement('<ocs/>');
        self::fill($root->addChild('meta'), $meta);
        self::fill($root->addChild('data'), $data);
        echo $root->asXML();
    }

    /** @param array<int|string, mixed> $values */
    private static function fill(\SimpleXMLElement $parent, array $values): void
    {
        foreach ($values as $key => $value) {
            $name = is_int($key) ? 'element' : $key;
            if (is_array($value)) {
                self::fill($parent->addChild($name), $value);
            } else {
                $parent->addChild($name, htmlspecialchars((string)$value));
            }
        }
    }
}
