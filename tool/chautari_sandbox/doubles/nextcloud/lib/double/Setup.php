<?php

declare(strict_types=1);

namespace NextcloudDouble;

/** The first installation. */
final class Setup
{
    public function __construct(private readonly Kernel $kernel)
    {
    }

    /**
     * Installs and returns the errors; none means done.
     *
     * @param array<string, mixed> $options
     * @return list<string>
     */
    public function install(#[\SensitiveParameter] array $options): array
    {
        $errors = $this->validate($options);
        if ($errors !== []) {
            return $errors;
        }
        $this->writeConfig($options);
        try {
            Database::connect($options['host'], $options['name'], $options['user'], $options['pass'])->query('SELECT 1');
        } catch (\PDOException $error) {
            $this->kernel->log->write(Log::ERROR, $error->getMessage());
            return [
                'PostgreSQL Login and/or password not valid',
                'You need to enter details of an existing account.',
                preg_replace('/password=\S+/', '', $error->getMessage()),
            ];
        }
        try {
            $this->kernel->get(Schema::class)->create();
        } catch (\PDOException $error) {
            return ['Error while trying to initialise the database: ' . $error->getMessage()];
        }
        return $this->fill($options);
    }

    /**
     * @param array<string, mixed> $options
     * @return list<string>
     */
    private function validate(#[\SensitiveParameter] array $options): array
    {
        $errors = [];
        if (!$options['without-admin'] && ($options['admin'] === '' || (string)$options['admin-pass'] === '')) {
            $errors[] = 'Set an admin password.';
        }
        $data = $options['data'];
        if ((!is_dir($data) && !@mkdir($data, 0770)) || !is_writable($data)) {
            $errors[] = "Cannot create or write into the data directory $data";
        }
        return $errors;
    }

    /** @param array<string, mixed> $options */
    private function writeConfig(#[\SensitiveParameter] array $options): void
    {
        $config = $this->kernel->config;
        $config->setAll(array_filter([
            'instanceid' => $config->get('instanceid', 'oc' . strtolower(Secrets::word(10))),
            'passwordsalt' => Secrets::word(30),
            'secret' => Secrets::word(48),
            'trusted_domains' => $config->get('trusted_domains', [0 => 'localhost']),
            'datadirectory' => $options['data'],
            'dbtype' => 'pgsql',
            'version' => $this->kernel->release->version,
            'overwrite.cli.url' => $config->get('overwrite.cli.url', 'http://localhost'),
            'dbname' => $options['name'],
            'dbhost' => $options['host'],
            'dbtableprefix' => 'oc_',
            'dbuser' => $options['user'],
            'dbpassword' => $options['pass'],
        ], static fn (mixed $value): bool => $value !== null));
    }

    /**
     * @param array<string, mixed> $options
     * @return list<string>
     */
    private function fill(#[\SensitiveParameter] array $options): array
    {
        $config = $this->kernel->get(AppConfig::class);
        $config->set('core', 'installedat', (string)microtime(true));
        $config->set('core', 'lastupdatedat', (string)time(), 'integer');
        $config->set('core', 'vendor', 'nextcloud');
        $groups = $this->kernel->get(Groups::class);
        $groups->create('admin');
        $this->enableShippedApps();
        if (!$options['without-admin']) {
            try {
                $users = $this->kernel->get(Users::class);
                $users->create($options['admin'], $options['admin-pass']);
                $users->setEmail($options['admin'], (string)$options['admin-email']);
                $groups->add('admin', $options['admin']);
            } catch (HintException $error) {
                return [$error->getMessage()];
            }
        }
        $data = $options['data'];
        file_put_contents("$data/.ncdata", "# Nextcloud data directory\n# Do not change this file");
        file_put_contents("$data/.htaccess", "Require all denied\n");
        file_put_contents("$data/index.html", '');
        $this->kernel->get(Jobs::class)->install();
        $this->kernel->config->set('installed', true);
        $this->kernel->config->finishInstall();
        return [];
    }

    private function enableShippedApps(): void
    {
        $apps = $this->kernel->get(Apps::class);
        foreach ($apps->all() as $app) {
            if ($apps->shipped($app) && isset($apps->info($app)->default_enable)) {
                $apps->enable($app);
            }
        }
    }
}
