<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppPasswords;
use NextcloudDouble\Users;

/** App passwords. */
final class TokenCommands extends Group
{
    private const KINDS = ['temporary', 'permanent', 'wipe'];

    public function commands(): array
    {
        return [
            new Command('user:auth-tokens:add', 'Add app password for the named account', $this->add(...), ['user' => 'required'], [
                'password-from-env' => 'flag', 'name' => 'value',
            ]),
            new Command('user:auth-tokens:list', 'List authentication tokens of an user', $this->list(...), [
                'user' => 'required',
            ], self::OUTPUT),
            new Command('user:auth-tokens:delete', 'Deletes an authentication token', $this->delete(...), [
                'uid' => 'required', 'id' => 'optional',
            ]),
        ];
    }

    private function add(Input $input, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('user'));
        if ($uid === null) {
            $output->line('Account does not exist');
            return 1;
        }
        $password = getenv('NC_PASS') ?: getenv('OC_PASS');
        if ($input->flag('password-from-env') && $password === false) {
            $output->line('--password-from-env given, but NC_PASS/OC_PASS is empty!');
            return 1;
        }
        if (!$input->flag('password-from-env')) {
            $password = $input->flag('no-interaction') ? null : ($this->ask('Enter the account password: ') ?: null);
        }
        if ($password === null) {
            $output->line('No password provided. The generated app password will therefore have limited capabilities.'
                . ' Any operation that requires the login password will fail.');
        }
        $output->line('app password:');
        $output->line($this->kernel->get(AppPasswords::class)->create($uid, (string)($input->option('name') ?: 'cli')));
        return 0;
    }

    private function list(Input $input, Output $output): int
    {
        $uid = $this->kernel->get(Users::class)->find($input->argument('user'));
        if ($uid === null) {
            $output->line('user not found');
            return 1;
        }
        $plain = !in_array($input->option('output'), ['json', 'json_pretty'], true);
        $output->table($input, array_map(static fn (array $token): array => [
            'id' => (int)$token['id'],
            'name' => $token['name'],
            'lastActivity' => $plain ? date(DATE_ATOM, (int)$token['last_activity']) : (int)$token['last_activity'],
            'type' => $plain ? self::KINDS[(int)$token['type']] : (int)$token['type'],
            'scope' => $plain ? 'filesystem' : ['filesystem' => true],
        ], $this->kernel->get(AppPasswords::class)->of($uid)));
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        $id = (int)$input->argument('id');
        if ($id === 0) {
            throw new \RuntimeException('Not enough arguments. Specify the token <id> or use the --last-used-before option.');
        }
        $this->kernel->get(AppPasswords::class)->delete($input->argument('uid'), $id);
        return 0;
    }
}
