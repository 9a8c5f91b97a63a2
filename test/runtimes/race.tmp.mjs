import { compiledKernels } from '../../dist/engine/compiled.js';
import { instantiateKernels, GEMM_SCRATCH_BYTES } from '../../dist/engine/kernels.js';
import { MemoryPlan } from '../../dist/engine/memory.js';
const m=8,n=64,k=256; const rs=[];
for (const [name,v,tile] of [['shuffle','simd',0],['splat','simd',16],['relaxed','relaxed',0]]) {
 const plan=new MemoryPlan(); const a=plan.reserve('a',m*k*2),b=plan.reserve('b',n*k),s=plan.reserve('s',n*4),c=plan.reserve('c',m*n*4),sc=plan.reserve('x',GEMM_SCRATCH_BYTES);
 let mod; try { mod=await compiledKernels(v) } catch { continue }
 const K=instantiateKernels(mod,plan.allocate()); rs.push({name,run:()=>K.gemmInt8(a,0,b,s,s,0,m,n,k,c,n*4,m,0,n,0,tile,sc,0),t:[]});
}
const t0=performance.now(); const at=[];
for(let r=0;r<200;r++){ for(const x of rs){const s=performance.now();for(let i=0;i<4;i++)x.run();x.t.push(performance.now()-s)} at.push(performance.now()-t0)}
for (const upto of [8,16,32,64,200]) console.log(upto, at[upto-1].toFixed(1)+'ms', rs.map(x=>x.name+' '+(1000*Math.min(...x.t.slice(0,upto))).toFixed(0)).join('  '));
