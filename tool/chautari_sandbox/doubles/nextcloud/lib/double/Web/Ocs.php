<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Groups;
use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** The few OCS calls that cost little: capabilities and accounts. */
final class Ocs
{
    private readonly bool $second;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->second = str_starts_with($_SERVER['REQUEST_URI'] ?? '', '/ocs/v2');
    }

    public function handle(): void
    {
        if ($this->request->header('OCS-APIRequest') !== 'true' && $this->request->path !== '/cloud/capabilities') {
            $this->send(412, 'CSRF check failed', 412);
            return;
        }
        if ($this->request->path === '/cloud/capabilities') {
            $this->send(200, 'OK', 200, $this->capabilities());
            return;
        }
        $credentials = $this->request->credentials();
        $uid = $credentials === null ? null : $this->kernel->get(Users::class)->verify(...$credentials);
        if ($uid === null) {
            $this->send(997, 'Current user is not logged in', 401);
            return;
        }
        $this->answer($uid);
    }

    private function answer(string $uid): void
    {
        $users = $this->kernel->get(Users::class);
        $groups = $this->kernel->get(Groups::class);
        $path = $this->request->path;
        $admin = in_array('admin', $groups->of($uid), true);
        $target = match (true) {
            $path === '/cloud/user' => $uid,
            str_starts_with($path, '/cloud/users/') => $users->find(substr($path, 13)),
            default => null,
        };
        if ($path === '/cloud/users' && $admin) {
            $this->send(200, 'OK', 200, ['users' => $users->list()]);
        } elseif ($target !== null && ($admin || $target === $uid)) {
            $this->send(200, 'OK', 200, [
                'id' => $target,
                'enabled' => $users->enabled($target),
                'displayname' => $users->displayName($target),
                'email' => $users->email($target),
                'quota' => ['quota' => $users->quota($target)],
                'groups' => $groups->of($target),
            ]);
        } elseif (str_starts_with($path, '/cloud/users')) {
            $this->send($admin ? 404 : 403, $admin ? 'User does not exist' : 'Logged in account must be an admin', $admin ? 404 : 403);
        } else {
            $this->send(998, 'Invalid query, please check the syntax.', 404);
        }
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

    private function send(int $code, string $message, int $status, mixed $data = []): void
    {
        $good = $code === 200;
        $meta = [
            'status' => $good ? 'ok' : 'failure',
            'statuscode' => $good && !$this->second ? 100 : $code,
            'message' => $message,
        ];
        http_response_code($this->second || in_array($status, [401, 412], true) ? $status : 200);
        if ($this->request->field('format') === 'json' || str_contains($this->request->header('Accept'), 'application/json')) {
            header('Content-Type: application/json; charset=utf-8');
            echo json_encode(['ocs' => ['meta' => $meta, 'data' => $data]]);
            return;
        }
        header('Content-Type: application/xml; charset=utf-8');
        $root = new \SimpleXMLElement('<ocs/>');
        self::fill($root->addChild('meta'), $meta);
        self::fill($root->addChild('data'), (array)$data);
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
