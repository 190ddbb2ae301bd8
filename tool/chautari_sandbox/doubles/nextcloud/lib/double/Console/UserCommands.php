<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Files;
use NextcloudDouble\Groups;
use NextcloudDouble\Mail\Mailer;
use NextcloudDouble\Preferences;
use NextcloudDouble\Release;
use NextcloudDouble\Users;

/** Accounts. */
final class UserCommands extends Group
{
    public function commands(): array
    {
        $page = ['limit|l' => 'optional=500', 'offset|o' => 'optional=0'];
        return [
            new Command('user:add', 'adds an account', $this->add(...), ['uid' => 'required'], [
                'password-from-env' => 'flag', 'generate-password' => 'flag', 'display-name' => 'optional',
                'group|g' => 'list', 'email' => 'value',
            ]),
            new Command('user:list', 'list configured users', $this->list(...), [], [
                'disabled|d' => 'flag', 'info|i' => 'flag',
            ] + $page + self::OUTPUT),
            new Command('user:info', 'show user info', $this->info(...), ['user' => 'required'], self::OUTPUT),
            new Command('user:resetpassword', 'Resets the password of the named user', $this->resetPassword(...), [
                'user' => 'required',
            ], ['password-from-env' => 'flag']),
            new Command('user:delete', 'deletes the specified user', $this->delete(...), ['uid' => 'required']),
            new Command('user:enable', 'enables the specified user', $this->enable(...), ['uid' => 'required']),
            new Command('user:disable', 'disables the specified user', $this->disable(...), ['uid' => 'required']),
            new Command('user:lastseen', 'shows when the user was logged in last time', $this->lastSeen(...), [
                'uid' => 'required',
            ], ['all' => 'flag']),
        ];
    }

    private function add(Input $input, Output $output): int
    {
        $users = $this->kernel->get(Users::class);
        $uid = $input->argument('uid');
        if ($users->find($uid) !== null) {
            $output->line("The account \"$uid\" already exists.");
            return 1;
        }
        $password = $input->flag('generate-password')
            ? \NextcloudDouble\Secrets::word(20)
            : $this->password($input, $output, 'Enter password: ', 'Confirm password: ');
        if ($password === null) {
            return 1;
        }
        try {
            $users->create($uid, $password);
        } catch (\RuntimeException $error) {
            $output->line($error->getMessage());
            return 1;
        }
        $output->line("The account \"$uid\" was created successfully");
        if ($input->option('display-name')) {
            $users->setDisplayName($uid, $input->option('display-name'));
            $output->line("Display name set to \"{$input->option('display-name')}\"");
        }
        $this->addToGroups($uid, $input->option('group'), $output);
        return $this->setEmail($uid, (string)$input->option('email'), $output);
    }

    /** @param list<string> $names */
    private function addToGroups(string $uid, array $names, Output $output): void
    {
        $groups = $this->kernel->get(Groups::class);
        if ($names !== []) {
            $this->kernel->get(Files::class)->prepare($uid);
        }
        foreach ($names as $name) {
            if (!$groups->exists($name)) {
                $groups->create($name);
                $output->line("Created group \"$name\"");
            }
            $groups->add($name, $uid);
            $output->line("Account \"$uid\" added to group \"$name\"");
        }
    }

    private function setEmail(string $uid, string $address, Output $output): int
    {
        if ($address === '') {
            return 0;
        }
        if (!filter_var($address, FILTER_VALIDATE_EMAIL)) {
            $output->line("The given email address \"$address\" is invalid. Email not set for the user.");
            return 1;
        }
        $this->kernel->get(Users::class)->setEmail($uid, $address);
        if ($this->kernel->get(AppConfig::class)->get('core', 'newUser.sendEmail', 'yes') === 'yes') {
            $url = $this->kernel->config->string('overwrite.cli.url');
            try {
                $this->kernel->get(Mailer::class)->send(
                    $address,
                    $uid,
                    'Your Nextcloud account was created',
                    "Welcome aboard. Your login is: $uid\n\n$url\n\n-- \nNextcloud (" . Release::NOTICE . ')',
                );
                $output->line("Welcome email sent to $address");
            } catch (\RuntimeException) {
                $output->line("Unable to send the welcome email to $address");
            }
        }
        return 0;
    }

    private function password(Input $input, Output $output, string $question, string $again): ?string
    {
        if ($input->flag('password-from-env')) {
            $password = getenv('NC_PASS') ?: getenv('OC_PASS');
            if (!$password) {
                $output->line('--password-from-env given, but NC_PASS/OC_PASS is empty!');
                return null;
            }
            return $password;
        }
        if ($input->flag('no-interaction')) {
            $output->line('Interactive input or --password-from-env is needed for entering a new password!');
            return null;
        }
        $password = $this->ask($question);
        if ($password === null || $password === '' || $password !== $this->ask($again)) {
            $output->line('Passwords did not match!');
            return null;
        }
        return $password;
    }

    private function list(Input $input, Output $output): int
    {
        $users = $this->kernel->get(Users::class);
        $items = [];
        foreach ($users->list((int)$input->option('limit'), (int)$input->option('offset')) as $uid) {
            if (!$input->flag('disabled') || !$users->enabled($uid)) {
                $items[$uid] = $input->flag('info') ? $this->describe($uid) : $users->displayName($uid);
            }
        }
        $output->items($input, $items);
        return 0;
    }

    private function info(Input $input, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('user'));
        if ($uid === null) {
            $output->line('user not found');
            return 1;
        }
        $data = $this->describe($uid);
        $files = $this->kernel->get(Files::class);
        $files->prepare($uid);
        [$free, $used] = [$files->free($uid), $files->used($uid)];
        $total = $free < 0 ? (int)disk_free_space($this->kernel->dataDirectory()) + $used : $free + $used;
        $storage = [
            'free' => $free < 0 ? $total - $used : $free,
            'used' => $used,
            'total' => $total,
            'relative' => $total > 0 ? round($used / $total * 100, 2) : 0,
            'quota' => Files::bytes($this->kernel->get(Users::class)->quota($uid)),
        ];
        $output->items($input, array_slice($data, 0, 7) + ['storage' => $storage] + array_slice($data, 7));
        return 0;
    }

    /** @return array<string, mixed> */
    private function describe(string $uid): array
    {
        $users = $this->kernel->get(Users::class);
        $logins = $this->kernel->get(Preferences::class)->all($uid)['login'] ?? [];
        $seen = static fn (?string $time): string => $time === null ? 'never' : date(DATE_ATOM, (int)$time);
        return [
            'user_id' => $uid,
            'display_name' => $users->displayName($uid),
            'email' => $users->email($uid),
            'cloud_id' => $uid . '@' . preg_replace('~^https?://~', '', $this->kernel->config->string('overwrite.cli.url')),
            'enabled' => $users->enabled($uid),
            'groups' => $this->kernel->get(Groups::class)->of($uid),
            'quota' => $users->quota($uid),
            'first_seen' => $seen($logins['firstLogin'] ?? null),
            'last_seen' => $seen($logins['lastLogin'] ?? null),
            'user_directory' => $this->kernel->get(Files::class)->home($uid),
            'backend' => 'Database',
        ];
    }

    private function resetPassword(Input $input, Output $output): int
    {
        $users = $this->kernel->get(Users::class);
        $uid = $users->find($input->argument('user'));
        if ($uid === null) {
            $output->line('User does not exist');
            return 1;
        }
        $password = $this->password($input, $output, 'Enter a new password: ', 'Confirm the new password: ');
        if ($password === null) {
            return 1;
        }
        try {
            $users->setPassword($uid, $password);
        } catch (\RuntimeException $error) {
            $output->line($error->getMessage());
            return 1;
        }
        $output->line("Successfully reset password for $uid");
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('uid'));
        if ($uid === null) {
            $output->line('User does not exist');
            return 0;
        }
        $this->kernel->get(Users::class)->delete($uid);
        $output->line('The specified user was deleted');
        return 0;
    }

    private function enable(Input $input, Output $output): int
    {
        return $this->switch($input->argument('uid'), true, $output);
    }

    private function disable(Input $input, Output $output): int
    {
        return $this->switch($input->argument('uid'), false, $output);
    }

    private function switch(string $name, bool $on, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($name);
        if ($uid === null) {
            $output->line('User does not exist');
            return 1;
        }
        $this->kernel->get(Preferences::class)->set($uid, 'core', 'enabled', $on ? 'true' : 'false');
        $output->line('The specified user is ' . ($on ? 'enabled' : 'disabled'));
        return 0;
    }

    private function lastSeen(Input $input, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('uid'));
        if ($uid === null) {
            $output->line('User does not exist');
            return 1;
        }
        $time = $this->kernel->get(Preferences::class)->get($uid, 'login', 'lastLogin');
        $output->line($time === null ? "User $uid has never logged in, yet."
            : "$uid's last login: " . date('d.m.Y H:i', (int)$time));
        return 0;
    }
}
