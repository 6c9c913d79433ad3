// The hooks thread's half of `modules.cjs`, for Node.js before 22.15: ES modules from the folders of NODE_PATH.
//
// Lives here: the resolve hook.
// Does not live here: deciding whether it is needed (`modules.cjs`).
let parents = [];

export function initialize(data) {
  parents = data.parents;
}

export async function resolve(specifier, context, nextResolve) {
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    const isBare = !/^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(specifier);
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isBare) throw error;
    for (const parentURL of parents) {
      try {
        return await nextResolve(specifier, { ...context, parentURL });
      } catch { /* the next folder may have it; if none has, the first error is the one to show */ }
    }
    throw error;
  }
}
