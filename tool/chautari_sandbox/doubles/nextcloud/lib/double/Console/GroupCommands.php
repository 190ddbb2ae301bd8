<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Groups;
use NextcloudDouble\Users;

/** Groups. */
final class GroupCommands extends Group
{
    public function commands(): array
    {
        $both = ['group' => 'required', 'user' => 'required'];
        return [
            new Command('group:add', 'Add a group', $this->add(...), ['groupid' => 'required'], [
                'display-name' => 'value',
            ] + self::OUTPUT),
            new Command('group:delete', 'Remove a group', $this->delete(...), ['groupid' => 'required'], self::OUTPUT),
            new Command('group:list', 'list configured groups', $this->list(...), ['searchstring' => 'optional'], [
                'limit|l' => 'optional=500', 'offset|o' => 'optional=0', 'info|i' => 'flag',
            ] + self::OUTPUT),
            new Command('group:info', 'Show information about a group', $this->info(...), [
                'groupid' => 'required',
            ], self::OUTPUT),
            new Command('group:adduser', 'add a user to a group', $this->addUser(...), $both),
            new Command('group:removeuser', 'remove a user from a group', $this->removeUser(...), $both),
        ];
    }

    private function add(Input $input, Output $output): int
    {
        $gid = $input->argument('groupid');
        if ($this->groups()->exists($gid)) {
            $output->line("Group \"$gid\" already exists.");
            return 1;
        }
        $this->groups()->create($gid, trim((string)$input->option('display-name')));
        $output->line("Created group \"$gid\"");
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        $gid = $input->argument('groupid');
        if ($gid === 'admin' || !$this->groups()->exists($gid)) {
            $output->line($gid === 'admin' ? "Group \"$gid\" could not be deleted." : "Group \"$gid\" does not exist.");
            return 1;
        }
        $this->groups()->delete($gid);
        $output->line("Group \"$gid\" was removed");
        return 0;
    }

    private function list(Input $input, Output $output): int
    {
        $items = [];
        $search = (string)$input->argument('searchstring');
        foreach ($this->groups()->list((int)$input->option('limit'), (int)$input->option('offset'), $search) as $gid) {
            $members = $this->groups()->members($gid);
            $items[$gid] = $input->flag('info')
                ? ['displayName' => $this->groups()->displayName($gid), 'backends' => ['Database'], 'users' => $members]
                : $members;
        }
        $output->items($input, $items);
        return 0;
    }

    private function info(Input $input, Output $output): int
    {
        $gid = $input->argument('groupid');
        if (!$this->groups()->exists($gid)) {
            $output->line("Group \"$gid\" does not exist.");
            return 1;
        }
        $output->items($input, [
            'groupID' => $gid,
            'displayName' => $this->groups()->displayName($gid),
            'backends' => ['Database'],
        ]);
        return 0;
    }

    private function addUser(Input $input, Output $output): int
    {
        return $this->member($input, $output, fn (string $gid, string $uid) => $this->groups()->add($gid, $uid));
    }

    private function removeUser(Input $input, Output $output): int
    {
        return $this->member($input, $output, fn (string $gid, string $uid) => $this->groups()->remove($gid, $uid));
    }

    private function member(Input $input, Output $output, \Closure $change): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('user'));
        if (!$this->groups()->exists($input->argument('group')) || $uid === null) {
            $output->line($uid === null ? 'user not found' : 'group not found');
            return 1;
        }
        $change($input->argument('group'), $uid);
        return 0;
    }

    private function groups(): Groups
    {
        return $this->kernel->get(Groups::class);
    }
}
