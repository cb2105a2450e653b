// Words of those who read tables beside the page (tables.worker.ts): a file of their
// own, so that the worker is without all the others.

export const tableWords = {
  answered: (status: number) => `The server answered ${status}.`,
  unreadable: 'The table could not be read.',
  closed: 'Closed.',
  tooLarge: 'The file is too large to be read in a browser.',
  noTable: 'There is no table in the file.',
  notOpen: 'The table is not open.',
  noColumn: (name: string) => `The table has no column ${name}.`,
  allPositive: 'All rows are of the positive class.',
  nonePositive: 'No row is of the positive class.',
  notSquare: 'The matrix is not square.',
  changed: 'The file has changed.',
  manyBytes: 'The first rows are in more bytes than are read here.',
  muchUnpacked: 'The first rows are more than is read here.',
  manyValues: 'The first rows are in more values than are read here.',
}
