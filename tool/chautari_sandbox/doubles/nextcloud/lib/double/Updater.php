<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** Brings the data of an older release to this one. */
final class Updater
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /** @param \Closure(string): void $say */
    public function run(\Closure $say): bool
    {
        $config = $this->kernel->config;
        $installed = $config->string('version', '0.0.0');
        $wasInMaintenance = $this->kernel->maintenance();
        if (!$wasInMaintenance) {
            $config->set('maintenance', true);
            $say('Turned on maintenance mode');
        }
        $newer = version_compare($this->kernel->release->version, $installed, '>');
        if ($newer && !$this->kernel->release->upgradableFrom($installed)) {
            $say('Exception: Updates between multiple major versions and downgrades are unsupported.');
            $say('Update failed');
            $this->leave($wasInMaintenance, $say);
            return false;
        }
        $say('Updating database schema');
        $this->kernel->get(Schema::class)->create();
        $say('Updated database');
        $this->updateApps($say);
        $this->kernel->get(AppConfig::class)->set('core', 'lastupdatedat', (string)time(), 'integer');
        $config->set('version', $this->kernel->release->version);
        $say('Update successful');
        $this->leave($wasInMaintenance, $say);
        return true;
    }

    /** @param \Closure(string): void $say */
    private function updateApps(\Closure $say): void
    {
        $apps = $this->kernel->get(Apps::class);
        $config = $this->kernel->get(AppConfig::class);
        foreach ($apps->enabledApps() as $app) {
            if ($apps->path($app) !== null && !$apps->shipped($app) && !$apps->compatible($app)) {
                $config->set($app, 'enabled', 'no', 'string');
                $say("Disabled incompatible app: $app");
            }
        }
        foreach ($apps->outdated() as $app => $version) {
            $say("Updating <$app> ...");
            $config->set($app, 'installed_version', $version, 'string');
            $say("Updated <$app> to $version");
        }
    }

    /** @param \Closure(string): void $say */
    private function leave(bool $wasInMaintenance, \Closure $say): void
    {
        if ($wasInMaintenance) {
            $say('Maintenance mode is kept active');
            return;
        }
        $this->kernel->config->set('maintenance', false);
        $say('Turned off maintenance mode');
    }
}
