<?php

declare(strict_types=1);

namespace NextcloudDouble;

use PDO;

/** PostgreSQL through PDO; `*PREFIX*` stands for the tables' prefix. */
final class Database
{
    private ?PDO $connection = null;

    public function __construct(private readonly Kernel $kernel)
    {
    }

    public static function connect(string $host, string $name, string $user, #[\SensitiveParameter] string $password): PDO
    {
        [$address, $port] = preg_match('/^(.*):([^:]+)$/', $host, $match) ? [$match[1], $match[2]] : [$host, '5432'];
        if (str_starts_with($port, '/')) {
            [$address, $port] = [dirname($port), '5432'];
        }
        if (!in_array('pgsql', PDO::getAvailableDrivers(), true)) {
            throw new HintException('Database <pgsql> is not supported. Please install the PHP module pdo_pgsql.');
        }
        return new PDO("pgsql:host=$address;port=$port;dbname=$name;connect_timeout=10", $user, $password, [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        ]);
    }

    /**
     * @param array<int|string, mixed> $values
     * @return list<array<string, mixed>>
     */
    public function rows(string $sql, array $values = []): array
    {
        $statement = $this->open()->prepare(str_replace('*PREFIX*', $this->prefix(), $sql));
        foreach ($values as $index => $value) {
            $type = is_int($value) ? PDO::PARAM_INT : (is_bool($value) ? PDO::PARAM_BOOL : PDO::PARAM_STR);
            $statement->bindValue(is_int($index) ? $index + 1 : $index, $value, $type);
        }
        $statement->execute();
        return $statement->columnCount() > 0 ? $statement->fetchAll() : [];
    }

    /** @param array<int|string, mixed> $values */
    public function value(string $sql, array $values = []): mixed
    {
        $rows = $this->rows($sql, $values);
        return $rows === [] ? null : reset($rows[0]);
    }

    /**
     * @param array<int|string, mixed> $values
     * @return list<mixed>
     */
    public function column(string $sql, array $values = []): array
    {
        return array_map(static fn (array $row): mixed => reset($row), $this->rows($sql, $values));
    }

    public function prefix(): string
    {
        return $this->kernel->config->string('dbtableprefix', 'oc_');
    }

    private function open(): PDO
    {
        $config = $this->kernel->config;
        return $this->connection ??= self::connect(
            $config->string('dbhost', 'localhost'),
            $config->string('dbname'),
            $config->string('dbuser'),
            $config->string('dbpassword'),
        );
    }
}
