<?php

declare(strict_types=1);

namespace NextcloudDouble\Web;

use NextcloudDouble\Groups;
use NextcloudDouble\HintException;
use NextcloudDouble\Kernel;
use NextcloudDouble\Users;

/** Accounts over OCS: listed, read and created. */
final class OcsUsers
{
    private readonly Users $users;
    private readonly Groups $groups;

    public function __construct(private readonly Kernel $kernel, private readonly Request $request)
    {
        $this->users = $kernel->get(Users::class);
        $this->groups = $kernel->get(Groups::class);
    }

    /** @return array<string, mixed> */
    public function answer(string $uid): array
    {
        $path = $this->request->path;
        $admin = in_array('admin', $this->groups->of($uid), true);
        if ($path === '/cloud/user') {
            return $this->describe($uid);
        }
        if ($path === '/cloud/users') {
            $admin || throw new OcsError(403, 'Logged in account must be an admin');
            return $this->request->method === 'POST' ? $this->create() : ['users' => $this->users->list()];
        }
        $target = $this->users->find(substr($path, strlen('/cloud/users/')));
        if (!$admin && $target !== $uid) {
            throw new OcsError(403, 'Logged in account must be an admin');
        }
        return $this->describe($target ?? throw new OcsError(404, 'User does not exist'));
    }

    /** @return array{id: string} */
    private function create(): array
    {
        $uid = $this->request->field('userid');
        if ($this->users->find($uid) !== null) {
            throw new OcsError(102, 'User already exists');
        }
        try {
            $this->users->create($uid, $this->request->field('password'));
        } catch (HintException $error) {
            throw new OcsError(107, $error->getMessage());
        }
        if ($this->request->field('email') !== '') {
            $this->users->setEmail($uid, $this->request->field('email'));
        }
        if ($this->request->field('displayName') !== '') {
            $this->users->setDisplayName($uid, $this->request->field('displayName'));
        }
        return ['id' => $uid];
    }

    /** @return array<string, mixed> */
    private function describe(string $uid): array
    {
        return [
            'id' => $uid,
            'enabled' => $this->users->enabled($uid),
            'displayname' => $this->users->displayName($uid),
            'email' => $this->users->email($uid),
            'quota' => ['quota' => $this->users->quota($uid)],
            'groups' => $this->groups->of($uid),
        ];
    }
}
