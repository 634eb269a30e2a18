/** A real nginx on a loopback port, from which hosts fetch artifacts. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { until } from './process.ts';

const NGINX = '/usr/sbin/nginx';

export interface Nginx {
  /** Such as `http://127.0.0.1:1234`. */
  readonly origin: string;
  /** What is in this directory is served. */
  readonly root: string;
  /** Serves with other directives from now on; what is being sent is cut off. */
  configure(directives: string): Promise<void>;
  /** What hosts have asked for so far; a coordinator is none. */
  requests(): Promise<readonly NginxRequest[]>;
  stop(): Promise<void>;
}

export interface NginxRequest {
  readonly status: number;
  /** Empty when there was none. */
  readonly range: string;
  readonly agent: string;
  readonly path: string;
}

/** @param directives of its one server; a missing nginx is an error, never a skip */
export async function startNginx(directory: string, directives = ''): Promise<Nginx> {
  if (!existsSync(NGINX)) throw new Error('nginx is missing: install nginx-light');
  const root = join(directory, 'served');
  const log = join(directory, 'access.log');
  const file = join(directory, 'nginx.conf');
  await mkdir(root, { recursive: true });
  await writeFile(log, '');
  const port = await findPort();
  const origin = `http://127.0.0.1:${port}`;
  let serial = 0;
  const write = (more: string): Promise<void> =>
    writeFile(file, describe({ directory, root, log, port, serial: ++serial, directives: more }));
  await write(directives);
  const child = spawn(NGINX, ['-p', directory, '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const serves = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const answer = await fetch(`${origin}/serial`, { headers: { connection: 'close' } }).catch(() => null);
    return (await answer?.text()) === String(serial);
  };
  await until('nginx answers', serves);
  return {
    origin,
    root,
    async configure(more) {
      await write(more);
      child.kill('SIGHUP');
      await until('nginx serves as it was told', serves);
    },
    async requests() {
      const lines = (await readFile(log, 'utf8')).split('\n').filter(line => line !== '');
      return lines.map((line): NginxRequest => JSON.parse(line)).filter(({ agent }) => agent !== 'node');
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

interface Described {
  readonly directory: string;
  readonly root: string;
  readonly log: string;
  readonly port: number;
  readonly serial: number;
  readonly directives: string;
}

function describe({ directory, root, log, port, serial, directives }: Described): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
worker_processes 2;
worker_shutdown_timeout 10ms;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
${userInfo().uid === 0 ? 'user root;' : ''}
events {}
http {
  ${temporary.map(name => `${name}_temp_path ${directory}/${name};`).join(' ')}
  log_format asked escape=json '{"status":$status,"range":"$http_range","agent":"$http_user_agent","path":"$request_uri"}';
  access_log ${log} asked;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location = /serial { access_log off; return 200 ${serial}; }
    location / { ${directives} }
  }
}
`;
}

async function findPort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  await new Promise(resolve => listener.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
