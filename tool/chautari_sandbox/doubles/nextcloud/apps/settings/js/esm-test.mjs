export default 'modules are served with the right type'
