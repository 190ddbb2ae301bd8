<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\AppConfig;
use NextcloudDouble\Apps;

/** Apps. */
final class AppCommands extends Group
{
    public function commands(): array
    {
        return [
            new Command('app:list', 'List all available apps', $this->list(...), [], [
                'shipped' => 'value', 'enabled' => 'flag', 'disabled' => 'flag',
            ] + self::OUTPUT),
            new Command('app:enable', 'enable an app', $this->enable(...), ['app-id' => 'list'], [
                'groups|g' => 'list', 'force|f' => 'flag',
            ]),
            new Command('app:disable', 'disable an app', $this->disable(...), ['app-id' => 'list']),
            new Command('app:install', 'install an app', $this->install(...), ['app-id' => 'required'], [
                'keep-disabled' => 'flag', 'force|f' => 'flag', 'allow-unstable' => 'flag',
            ]),
            new Command('app:remove', 'remove an app', $this->remove(...), ['app-id' => 'required'], ['keep-data' => 'flag']),
            new Command('app:update', 'update an app or all apps', $this->update(...), ['app-id' => 'optional'], [
                'all' => 'flag', 'showonly' => 'flag', 'allow-unstable' => 'flag',
            ]),
            new Command('app:getpath', 'Get an absolute path to the app directory', $this->path(...), [
                'app' => 'required',
            ], self::OUTPUT),
        ];
    }

    private function list(Input $input, Output $output): int
    {
        $apps = $this->apps();
        $versions = $apps->installedVersions();
        $enabled = $disabled = [];
        foreach ($apps->all() as $app) {
            $shipped = $input->option('shipped');
            if ($shipped !== null && $apps->shipped($app) !== ($shipped === 'true')) {
                continue;
            }
            if ($apps->enabled($app)) {
                $enabled[$app] = $versions[$app] ?? true;
            } else {
                $disabled[$app] = $apps->version($app) . (isset($versions[$app]) ? " (installed $versions[$app])" : '');
            }
        }
        $lists = [];
        if ($input->flag('enabled') || !$input->flag('disabled')) {
            $lists['enabled'] = $enabled;
        }
        if ($input->flag('disabled') || !$input->flag('enabled')) {
            $lists['disabled'] = $disabled;
        }
        if ($input->option('output') !== 'plain') {
            $output->items($input, $lists);
            return 0;
        }
        foreach ($lists as $name => $items) {
            $output->line(ucfirst($name) . ':');
            $output->items($input, $items);
        }
        return 0;
    }

    private function enable(Input $input, Output $output): int
    {
        $code = 0;
        $groups = $input->option('groups');
        foreach ($input->argument('app-id') as $app) {
            if ($this->apps()->enabled($app) && $groups === []) {
                $output->line("$app already enabled");
                continue;
            }
            try {
                $this->apps()->enable($app, $groups, $input->flag('force'));
                $to = $groups === [] ? '' : ' for groups: ' . implode(', ', $groups);
                $output->line("$app {$this->apps()->version($app)} enabled$to");
            } catch (\RuntimeException $error) {
                $output->line($error->getMessage());
                $code = 1;
            }
        }
        return $code;
    }

    private function disable(Input $input, Output $output): int
    {
        $code = 0;
        foreach ($input->argument('app-id') as $app) {
            if (!$this->apps()->enabled($app)) {
                $output->line("No such app enabled: $app");
                continue;
            }
            try {
                $this->apps()->disable($app);
                $output->line("$app {$this->apps()->version($app)} disabled");
            } catch (\RuntimeException $error) {
                $output->line($error->getMessage());
                $code = 2;
            }
        }
        return $code;
    }

    private function install(Input $input, Output $output): int
    {
        $app = $input->argument('app-id');
        if ($this->apps()->enabled($app)) {
            $output->line("$app already installed");
            return 1;
        }
        try {
            $this->apps()->enable($app, [], $input->flag('force'));
        } catch (\RuntimeException $error) {
            $output->line('Error: ' . $error->getMessage());
            return 1;
        }
        $output->line("$app {$this->apps()->version($app)} installed");
        if ($input->flag('keep-disabled')) {
            $this->kernel->get(AppConfig::class)->set($app, 'enabled', 'no', 'string');
            return 0;
        }
        $output->line("$app enabled");
        return 0;
    }

    private function remove(Input $input, Output $output): int
    {
        $app = $input->argument('app-id');
        if ($this->apps()->path($app) === null || $this->apps()->shipped($app)) {
            $output->line($this->apps()->shipped($app) ? "$app could not be removed as it is a shipped app." : "$app is not installed");
            return 1;
        }
        $this->kernel->get(AppConfig::class)->set($app, 'enabled', 'no', 'string');
        $output->line("$app disabled; remove its folder to finish");
        return 0;
    }

    private function update(Input $input, Output $output): int
    {
        $app = $input->argument('app-id');
        if ($app !== null && $this->apps()->path($app) === null) {
            $output->line("$app not installed");
            return 1;
        }
        if ($app === null && !$input->flag('all') && !$input->flag('showonly')) {
            $output->line('Please specify an app to update or "--all" to update all updatable apps"');
            return 1;
        }
        $output->line($app === null ? 'All apps are up-to-date or no updates could be found'
            : "$app is up-to-date or no updates could be found");
        return 0;
    }

    private function path(Input $input, Output $output): int
    {
        $path = $this->apps()->path($input->argument('app'));
        if ($path !== null) {
            $output->value($input, $path);
        }
        return $path === null ? 1 : 0;
    }

    private function apps(): Apps
    {
        return $this->kernel->get(Apps::class);
    }
}
