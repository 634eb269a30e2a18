import { it } from 'vitest';
import { cp, mkdir, appendFile, writeFile, readdir, rm } from 'node:fs/promises';
import { startFleet } from './fleet.ts';
import { execute, measure } from './process.ts';
const WP='/tmp/fleetflip-test-wordpress-0';
it('quick', async () => {
  const n=Number(process.env.N??20);
  const f = await startFleet(n);
  try {
    const rel=f.directory+'/rel'; await execute('cp',['-a',WP,rel]);
    await execute('chmod',['-R','u=rwX,go=rX',rel]);
    const next=f.directory+'/next'; await execute('cp',['-a',rel,next]);
    for (const x of ['index.php','wp-login.php','wp-includes/version.php','wp-admin/admin.php','readme.html']) await appendFile(`${next}/${x}`,'\n// changed\n');
    await writeFile(`${next}/new.php`,'<?php echo 1;');
    await writeFile(f.directory+'/hosts', f.hosts.map(h=>h.address+'\n').join(''));
    const ssh=`ssh -p 2222 -i ${f.identity} -o UserKnownHostsFile=${f.knownHosts} -o LogLevel=ERROR`;
    const rs=(src:string,opt='')=>measure('sh',['-c',`xargs -P${n} -I{} rsync -a --delete ${opt} -e '${ssh}' ${src}/ deploy@{}:/var/www/foo_l/ <${f.directory}/hosts`]);
    const inv=await f.writeInventory();
    const ff=(src:string,prof=false)=>measure('node',[...(prof?['--cpu-prof','--cpu-prof-dir=/tmp/prof']:[]),'/work/main/dist/cli/main.js','deploy',src,'-i',inv,'--output','plain','--log',f.directory+'/log'],);
    const p=(w:string,c:any)=>console.log(w.padEnd(22),c.wall.toFixed(2),'s wall',c.cpu.toFixed(2),'s cpu',c.memory.toFixed(0),'MB');
    if (!process.env.NORSYNC) {
    p('rsync cold',await rs(rel)); p('rsync small',await rs(next)); p('rsync none',await rs(next)); p('rsync -c none',await rs(next,'-c'));p('rsync -c small',await rs(rel,'-c'));
    await f.clear();}
    p('ff cold',await ff(rel,true)); p('ff second',await ff(next)); p('ff small',await ff(rel));p('ff small prof',await ff(next,true)); p('ff none',await ff(next));
    console.log(await execute('sh',['-c',`grep -e phase-ended -e '"kind":"result"' ${f.directory}/log | sed 's/.*"phase":"\\([a-z]*\\)","took":\\([0-9]*\\).*/\\1 \\2/; s/.*result.*/-/' | tr '\n' ' '`]));
  } finally { await f.stop(); }
}, 600000);
