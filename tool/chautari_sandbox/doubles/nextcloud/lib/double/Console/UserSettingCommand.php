<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Preferences;
use NextcloudDouble\Users;

/** Settings of one account. */
final class UserSettingCommand extends Group
{
    public function commands(): array
    {
        return [
            new Command('user:setting', 'Read and modify user settings', $this->run(...), [
                'uid' => 'required', 'app' => 'optional', 'key' => 'optional', 'value' => 'optional',
            ], [
                'ignore-missing-user' => 'flag', 'default-value' => 'optional', 'update-only' => 'flag',
                'delete' => 'flag', 'error-if-not-exists' => 'flag',
            ] + self::OUTPUT),
        ];
    }

    private function run(Input $input, Output $output): int
    {
        $uid = $input->argument('uid');
        if (!$input->flag('ignore-missing-user')) {
            $found = $this->kernel->get(Users::class)->find($uid);
            if ($found === null) {
                $output->line("The user \"$uid\" does not exist.");
                return 1;
            }
            $uid = $found;
        }
        if (($input->argument('key') ?? '') === '') {
            return $this->show($uid, (string)$input->argument('app'), $input, $output);
        }
        $current = $this->kernel->get(Preferences::class)->get($uid, $input->argument('app'), $input->argument('key'));
        $strict = $input->argument('value') !== null ? 'update-only' : 'error-if-not-exists';
        if ($current === null && $input->flag($strict)) {
            $output->line("The setting does not exist for user \"$uid\".");
            return 1;
        }
        if ($input->argument('value') !== null) {
            return $this->store($uid, $input, $output);
        }
        if ($input->flag('delete')) {
            $this->kernel->get(Preferences::class)->delete($uid, $input->argument('app'), $input->argument('key'));
            return 0;
        }
        return $this->read($uid, $current, $input, $output);
    }

    private function show(string $uid, string $app, Input $input, Output $output): int
    {
        $settings = $this->kernel->get(Preferences::class)->all($uid);
        $settings = $app === '' ? $settings : array_intersect_key($settings, [$app => true]);
        $settings['settings']['display_name'] = $this->kernel->get(Users::class)->displayName($uid);
        $output->items($input, $settings);
        return 0;
    }

    private function store(string $uid, Input $input, Output $output): int
    {
        $users = $this->kernel->get(Users::class);
        [$app, $key, $value] = [$input->argument('app'), $input->argument('key'), $input->argument('value')];
        if ($app === 'settings' && $key === 'email') {
            $users->setEmail($uid, $value);
        } elseif ($app === 'settings' && $key === 'display_name') {
            if ($value === '' || $value === $users->displayName($uid)) {
                $output->line($value === '' ? "New display name can't be empty" : 'New and old display name are the same');
                return 1;
            }
            $users->setDisplayName($uid, $value);
        } else {
            $this->kernel->get(Preferences::class)->set($uid, $app, $key, $value);
        }
        return 0;
    }

    private function read(string $uid, ?string $current, Input $input, Output $output): int
    {
        if ($current === null && $input->has('default-value')) {
            $current = (string)$input->option('default-value');
        }
        if ($current === null && $input->argument('app') === 'settings' && $input->argument('key') === 'display_name') {
            $current = $this->kernel->get(Users::class)->displayName($uid);
        }
        $output->line($current ?? "The setting does not exist for user \"$uid\".");
        return $current === null ? 1 : 0;
    }
}
