<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppConfig;

/** Settings of apps from the command line. */
final class AppConfigCommands extends Group
{
    public function commands(): array
    {
        $key = ['app' => 'required', 'name' => 'required'];
        return [
            new Command('config:app:set', 'Set an app config value', $this->set(...), $key, [
                'value' => 'value', 'type' => 'value', 'lazy' => 'negatable', 'sensitive' => 'negatable',
                'update-only' => 'flag',
            ] + self::OUTPUT),
            new Command('config:app:get', 'Get an app config value', $this->get(...), $key, [
                'details' => 'flag', 'default-value' => 'optional',
            ] + self::OUTPUT),
            new Command('config:app:delete', 'Delete an app config value', $this->delete(...), $key, [
                'error-if-not-exists' => 'flag',
            ] + self::OUTPUT),
        ];
    }

    private function set(Input $input, Output $output): int
    {
        [$app, $name] = [$input->argument('app'), $input->argument('name')];
        $config = $this->kernel->get(AppConfig::class);
        $before = $config->details($app, $name);
        if ($input->flag('update-only') && $before === null) {
            $output->line("Config value $name for app $app not updated, as it has not been set before.");
            return 1;
        }
        $updated = $config->set(
            $app,
            $name,
            (string)($input->option('value') ?? $before['value'] ?? ''),
            $input->option('type'),
            $input->option('lazy'),
            $input->option('sensitive'),
        );
        $after = $config->details($app, $name);
        $output->line($updated ? sprintf(
            "Config value '%s' for app '%s' is now set to '%s', stored as %s in %s",
            $name,
            $app,
            $after['sensitive'] ? '<sensitive>' : $after['value'],
            $after['typeString'],
            $after['lazy'] ? 'lazy cache' : 'fast cache',
        ) : 'Config value were not updated');
        return 0;
    }

    private function get(Input $input, Output $output): int
    {
        $details = $this->kernel->get(AppConfig::class)->details($input->argument('app'), $input->argument('name'));
        if ($details === null && !$input->has('default-value')) {
            return 1;
        }
        if ($details !== null && $input->flag('details')) {
            $details['type'] = $details['typeString'];
            unset($details['typeString']);
            $output->items($input, $details);
            return 0;
        }
        $output->value($input, $details['value'] ?? $input->option('default-value'));
        return 0;
    }

    private function delete(Input $input, Output $output): int
    {
        [$app, $name] = [$input->argument('app'), $input->argument('name')];
        $config = $this->kernel->get(AppConfig::class);
        if ($input->flag('error-if-not-exists') && $config->details($app, $name) === null) {
            $output->line("Config $name of app $app could not be deleted because it did not exist");
            return 1;
        }
        $config->delete($app, $name);
        $output->line("Config value $name of app $app deleted");
        return 0;
    }
}
