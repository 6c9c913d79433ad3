export const hello = async (event) => ({ message: `Hello, ${event.pathParameters.name}!` });
