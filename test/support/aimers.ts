/** Programs that rename by themselves at the instant of a flip. Where neither works, the agent starts `mv` for it. */
export const AIMERS = ['perl', 'python3'];

/** A script of one that is not fit for it. */
export const UNFIT = 'exit 3';
