<?php

declare(strict_types=1);

namespace NextcloudDouble\Console;

use NextcloudDouble\Setup;
use NextcloudDouble\Updater;

/** Installation, upgrade and maintenance. */
final class MaintenanceCommands extends Group
{
    private const MARK = "#### DO NOT CHANGE ANYTHING ABOVE THIS LINE ####\n";

    public function commands(): array
    {
        return [
            new Command('maintenance:install', 'install Nextcloud', $this->install(...), [], [
                'database' => 'value=sqlite', 'database-name' => 'value', 'database-host' => 'value=localhost',
                'database-port' => 'value', 'database-user' => 'value', 'database-pass' => 'optional',
                'database-table-space' => 'optional', 'disable-admin-user' => 'flag', 'admin-user' => 'value=admin',
                'admin-pass' => 'value', 'admin-email' => 'optional', 'data-dir' => 'value',
            ], Command::BEFORE_INSTALL),
            new Command('maintenance:mode', 'Show or toggle maintenance mode status', $this->mode(...), [], [
                'on' => 'flag', 'off' => 'flag',
            ]),
            new Command('maintenance:update:htaccess', 'Updates the .htaccess file', $this->htaccess(...)),
            new Command(
                'maintenance:data-fingerprint',
                'update the systems data-fingerprint after a backup is restored',
                $this->fingerprint(...),
            ),
            new Command('maintenance:repair', 'repair this installation', $this->repair(...), [], [
                'include-expensive' => 'flag',
            ]),
            new Command('maintenance:theme:update', 'Apply custom theme changes', $this->theme(...)),
            new Command('maintenance:mimetype:update-db', 'Update database mimetypes', $this->theme(...), [], [
                'repair-filecache' => 'flag',
            ]),
            new Command(
                'upgrade',
                'run upgrade routines after installation of a new release. The release has to be installed before.',
                $this->upgrade(...),
            ),
        ];
    }

    private function install(Input $input, Output $output): int
    {
        if (strtolower((string)$input->option('database')) !== 'pgsql') {
            throw new \InvalidArgumentException(
                "Database <{$input->option('database')}> is not supported. pgsql are supported."
            );
        }
        foreach (['database-user' => 'account', 'database-name' => 'name'] as $option => $word) {
            if ($input->option($option) === null) {
                throw new \InvalidArgumentException("Database $word not provided.");
            }
        }
        $port = $input->option('database-port');
        $password = $input->has('database-pass') ? (string)$input->option('database-pass') : $this->ask(
            "What is the password to access the database with user <{$input->option('database-user')}>?"
        );
        $withoutAdmin = $input->flag('disable-admin-user');
        $adminPassword = $input->option('admin-pass');
        if (!$withoutAdmin && $adminPassword === null) {
            $adminPassword = $this->ask(
                "What is the password you like to use for the admin account <{$input->option('admin-user')}>?"
            );
        }
        $errors = (new Setup($this->kernel))->install([
            'name' => $input->option('database-name'),
            'host' => $input->option('database-host') . ($port === null ? '' : ":$port"),
            'user' => $input->option('database-user'),
            'pass' => (string)$password,
            'without-admin' => $withoutAdmin,
            'admin' => (string)$input->option('admin-user'),
            'admin-pass' => $adminPassword,
            'admin-email' => $input->option('admin-email'),
            'data' => $input->option('data-dir') ?? $this->kernel->root . '/data',
        ]);
        foreach ($errors as $error) {
            $output->line($error);
        }
        if ($errors === []) {
            $output->line('Nextcloud was successfully installed');
        }
        return $errors === [] ? 0 : 1;
    }

    private function mode(Input $input, Output $output): int
    {
        $on = $this->kernel->maintenance();
        $wanted = $input->flag('on') ? true : ($input->flag('off') ? false : null);
        $word = ($wanted ?? $on) ? 'enabled' : 'disabled';
        if ($wanted === null) {
            $output->line("Maintenance mode is currently $word");
        } elseif ($wanted === $on) {
            $output->line("Maintenance mode already $word");
        } else {
            $this->kernel->config->set('maintenance', $wanted);
            $output->line("Maintenance mode $word");
        }
        return 0;
    }

    private function htaccess(Input $input, Output $output): int
    {
        $file = $this->kernel->root . '/.htaccess';
        if (!is_writable($file)) {
            $output->line('Error updating .htaccess file, not enough permissions, not enough free space or '
                . '"overwrite.cli.url" set to an invalid URL?');
            return 1;
        }
        $above = explode(self::MARK, (string)file_get_contents($file), 2)[0];
        file_put_contents($file, $above . self::MARK . "\nErrorDocument 404 /index.php/error/404\n");
        $output->line('.htaccess has been updated');
        return 0;
    }

    private function fingerprint(Input $input, Output $output): int
    {
        $fingerprint = md5((string)time());
        $this->kernel->config->set('data-fingerprint', $fingerprint);
        $output->line("Updated data-fingerprint to $fingerprint");
        return 0;
    }

    private function repair(Input $input, Output $output): int
    {
        $before = $this->kernel->maintenance();
        $this->kernel->config->set('maintenance', true);
        $this->kernel->get(\NextcloudDouble\Schema::class)->create();
        $output->line(' - Repair the tables');
        $this->kernel->config->set('maintenance', $before);
        return 0;
    }

    private function theme(Input $input, Output $output): int
    {
        $output->line('Updated');
        return 0;
    }

    private function upgrade(Input $input, Output $output): int
    {
        if ($this->kernel->needsUpgrade()) {
            return (new Updater($this->kernel))->run($output->line(...)) ? 0 : 5;
        }
        if ($this->kernel->maintenance()) {
            $output->line("Nextcloud is in maintenance mode\nMaybe an upgrade is already in process. Please check the "
                . 'logfile (data/nextcloud.log). If you want to re-run the upgrade procedure, remove the '
                . '"maintenance mode" from config.php and call this script again.');
            return 2;
        }
        $output->line('No upgrade required.');
        return 0;
    }
}
